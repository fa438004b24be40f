//go:build darwin || dragonfly || freebsd || linux || netbsd || openbsd

package channel

import (
	"errors"
	"io"
	"net"
	"os"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"example.com/restart/internal/fdutil"
	"example.com/restart/internal/wire"
)

func pair(t *testing.T) (a, b *Conn) {
	t.Helper()
	a, f, err := Pair()
	if err != nil {
		t.Fatal(err)
	}
	b, err = Open(f)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []*Conn{a, b} {
		t.Cleanup(func() { c.Close() })
		if err := c.SetDeadline(time.Now().Add(10 * time.Second)); err != nil {
			t.Fatal(err)
		}
	}
	return a, b
}

func fdOf(t *testing.T, c syscall.Conn) (n int) {
	t.Helper()
	if err := fdutil.Control(c, func(fd int) error { n = fd; return nil }); err != nil {
		t.Fatal(err)
	}
	return n
}

func TestFilesTravel(t *testing.T) {
	a, b := pair(t)
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	files := make([]*os.File, MaxFiles)
	for i := range files {
		files[i] = w
	}
	if err := a.Send(wire.TypeFiles, wire.Files{}, files...); err != nil {
		t.Fatal(err)
	}
	w.Close()
	f, got, err := b.Recv()
	if err != nil || f.Type != wire.TypeFiles || len(got) != MaxFiles {
		t.Fatalf("got %v with %d files, %v", f.Type, len(got), err)
	}
	if _, err := got[0].WriteString("x"); err != nil {
		t.Error(err)
	}
	err = fdutil.Control(got[0], func(fd int) error {
		flags, err := unix.FcntlInt(uintptr(fd), unix.F_GETFD, 0)
		if flags&unix.FD_CLOEXEC == 0 {
			t.Error("received descriptor is not close-on-exec")
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
	CloseAll(got)
	if b, err := io.ReadAll(r); string(b) != "x" || err != nil {
		t.Errorf("got %q, %v; want x and then EOF: all copies closed", b, err)
	}
	r.Close()
}

// What a peer said before it died must be read even if it died without reading
// what we had sent: the kernel then reports ECONNRESET first.
func TestLastWordsOfADeadPeer(t *testing.T) {
	a, b := pair(t)
	if err := a.Send(wire.TypeHello, wire.Hello{PID: 1, Generation: 1}); err != nil {
		t.Fatal(err)
	}
	if err := b.Send(wire.TypeNote, wire.Note{Text: "last words"}); err != nil {
		t.Fatal(err)
	}
	b.Close()
	f, _, err := a.Recv()
	var note wire.Note
	if err == nil {
		err = f.Decode(&note)
	}
	if err != nil || note.Text != "last words" {
		t.Errorf("got %+v, %v", note, err)
	}
	if _, _, err := a.Recv(); err != io.EOF {
		t.Errorf("got %v, want EOF", err)
	}
}

func TestUnknownTypeIsSkipped(t *testing.T) {
	a, b := pair(t)
	if err := a.Send(wire.Type(4711), struct{}{}, os.Stdin); err != nil {
		t.Fatal(err)
	}
	if err := a.Send(wire.TypeGo, wire.Go{}); err != nil {
		t.Fatal(err)
	}
	if f, _, err := b.Recv(); err != nil || f.Type != wire.TypeGo {
		t.Errorf("got %v, %v; want go", f.Type, err)
	}
}

func TestTooManyFilesIsRefused(t *testing.T) {
	a, _ := pair(t)
	if err := a.Send(wire.TypeFiles, wire.Files{}, make([]*os.File, MaxFiles+1)...); err == nil {
		t.Error("got no error")
	}
}

func TestInheritedRefuses(t *testing.T) {
	file, err := os.Open(os.DevNull)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	for name, fd := range map[string]int{
		"not open":     1 << 20,
		"a file":       fdOf(t, file),
		"a TCP socket": fdOf(t, ln.(*net.TCPListener)),
	} {
		if c, err := Inherited(fd); err == nil {
			c.Close()
			t.Errorf("%s: got no error", name)
		}
	}
	// What was refused is still open: it was not ours to take.
	if _, err := file.Stat(); err != nil {
		t.Error(err)
	}
}

func TestSendToNobody(t *testing.T) {
	a, b := pair(t)
	b.Close()
	if err := a.Send(wire.TypeGo, wire.Go{}); !errors.Is(err, unix.EPIPE) {
		t.Errorf("got %v, want EPIPE", err)
	}
}
