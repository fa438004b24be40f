//go:build linux

package gate

import (
	"io"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"sync"
	"syscall"
	"testing"
)

// tracked returns a connection that was accepted from a tracked listener, and
// its client.
func tracked(t *testing.T, network string) (server, client net.Conn, set *Conns) {
	t.Helper()
	address := "127.0.0.1:0"
	if network == "unix" {
		address = filepath.Join(t.TempDir(), "x.sock")
	}
	real, err := net.Listen(network, address)
	if err != nil {
		t.Fatal(err)
	}
	ln := New(real.(Socket))
	defer ln.Close()
	ln.Open()
	client, err = net.Dial(network, ln.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { client.Close() })
	server, err = ln.Accept()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { server.Close() })
	return server, client, ln.conns
}

// io.Copy must find what makes sendfile(2) and splice(2) possible.
func TestTrackedConnKeepsItsMethods(t *testing.T) {
	for _, network := range []string{"tcp", "unix"} {
		t.Run(network, func(t *testing.T) {
			c, _, _ := tracked(t, network)
			if network == "tcp" { // net.UnixConn has methods of these names for datagrams
				if _, ok := c.(io.ReaderFrom); !ok {
					t.Error("no io.ReaderFrom")
				}
				if _, ok := c.(io.WriterTo); !ok {
					t.Error("no io.WriterTo")
				}
			}
			if _, ok := c.(syscall.Conn); !ok {
				t.Error("no syscall.Conn")
			}
			if _, ok := c.(interface{ CloseWrite() error }); !ok {
				t.Error("no CloseWrite")
			}
			n, ok := c.(interface{ NetConn() net.Conn })
			if !ok {
				t.Fatal("no NetConn")
			}
			switch n.NetConn().(type) {
			case *net.TCPConn, *net.UnixConn:
			default:
				t.Errorf("NetConn: got %T", n.NetConn())
			}
		})
	}
}

func TestTrackedConnIsCountedUntilClosed(t *testing.T) {
	c, _, set := tracked(t, "tcp")
	if got, want := set.Len(), 1; got != want {
		t.Errorf("got %d connections, want %d", got, want)
	}
	if set.SealIfEmpty() {
		t.Error("sealed with a connection open")
	}
	empty := set.WhenEmpty()
	select {
	case <-empty:
		t.Error("empty with a connection")
	default:
	}
	if err := c.Close(); err != nil {
		t.Error(err)
	}
	<-empty
	<-set.WhenEmpty()
	if err := c.Close(); err == nil {
		t.Error("got no error from the second Close, want that of the real connection")
	}
	if got := set.Len(); got != 0 {
		t.Errorf("got %d connections, want none", got)
	}
}

// An unknown kind of connection is tracked just so.
func TestTrackOther(t *testing.T) {
	set := newConns()
	a, b := net.Pipe()
	defer b.Close()
	c, ok := set.Track(a)
	if !ok {
		t.Fatal("not tracked")
	}
	if got := c.(interface{ NetConn() net.Conn }).NetConn(); got != a {
		t.Errorf("got %v, want the connection itself", got)
	}
	if got := set.Len(); got != 1 {
		t.Errorf("got %d, want 1", got)
	}
	c.Close()
	<-set.WhenEmpty()
}

func TestConnsUnderRaces(t *testing.T) {
	set := newConns()
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 200 {
				a, b := net.Pipe()
				c, ok := set.Track(a)
				if !ok {
					t.Error("not tracked")
					return
				}
				empty := set.WhenEmpty()
				if set.SealIfEmpty() {
					t.Error("sealed with a connection open")
				}
				c.Close()
				b.Close()
				<-empty // somebody's, and at the latest our own, is the last
			}
		})
	}
	wg.Wait()
	if got := set.Len(); got != 0 {
		t.Errorf("got %d connections left", got)
	}
}

// Whoever ends a drain must know that none comes after it has looked.
func TestSealedConnsTakeNone(t *testing.T) {
	set := newConns()
	a, b := net.Pipe()
	defer a.Close()
	defer b.Close()
	c, _ := set.Track(a)
	if got, _ := set.Seal(); len(got) != 1 || got[0] != c {
		t.Errorf("got %v, want %v", got, c)
	}
	if _, ok := set.Track(b); ok {
		t.Error("tracked after shut")
	}
	c.Close()
	set = newConns()
	if !set.SealIfEmpty() {
		t.Error("an empty set was not sealed")
	}
	if _, ok := set.Track(b); ok {
		t.Error("tracked after seal")
	}
}

// A file's bytes must not pass through this process. What io.Copy does by
// itself shows as its buffer of 32 KiB; sendfile(2) needs none.
func TestTrackedConnUsesSendfile(t *testing.T) {
	const size = 1 << 20
	path := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(path, make([]byte, size), 0o600); err != nil {
		t.Fatal(err)
	}
	copied := func(wrap func(net.Conn) io.Writer) (allocated uint64) {
		c, client, _ := tracked(t, "tcp")
		f, err := os.Open(path)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		got := 0
		read := make(chan struct{})
		buf := make([]byte, 64<<10)
		go func() {
			defer close(read)
			for {
				n, err := client.Read(buf)
				if got += n; err != nil {
					return
				}
			}
		}()
		w := wrap(c)
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		n, err := io.Copy(w, f)
		runtime.ReadMemStats(&after)
		if err != nil || n != size {
			t.Errorf("got %d bytes, %v; want %d", n, err, size)
		}
		c.Close()
		<-read
		if got != size {
			t.Errorf("the client got %d bytes, want %d", got, size)
		}
		return after.TotalAlloc - before.TotalAlloc
	}
	const buffer = 32 << 10
	if got := copied(func(c net.Conn) io.Writer { return c }); got >= buffer {
		t.Errorf("copying a file allocated %d bytes, want no buffer", got)
	}
	// The measure itself can tell the difference.
	if got := copied(func(c net.Conn) io.Writer { return struct{ io.Writer }{c} }); got < buffer {
		t.Errorf("copying without sendfile allocated %d bytes, want a buffer", got)
	}
}
