//go:build linux

package restarthttp_test

import (
	"bytes"
	"errors"
	"io"
	"net"
	"os"
	"strconv"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
	"pgregory.net/rapid"
)

// A side is one of the two servers that are compared.
type side interface {
	address() string
	handler() *answering

	// begin begins a restart, and await waits until the successor serves; both do
	// nothing if there is nothing to do.
	begin()
	await() error

	// settle waits until all but the last process have ended.
	settle() error
}

// patience bounds every wait. Nothing fails for being slow.
const patience = 30 * time.Second

// run does the steps with one side.
func run(t *rapid.T, s side, steps []step) outcome {
	nc, err := net.Dial("tcp", s.address())
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	seen := s.handler().expect(nc.LocalAddr())
	defer seen.release()
	c := receive(nc.(*net.TCPConn))
	leaves := false
	for _, st := range steps {
		switch st.kind {
		case stepSend:
			c.send(st.text)
		case stepRead:
			c.await(t, st, func() bool { return serverHasRead(c.conn) })
		case stepAnswered:
			c.await(t, st, func() bool { return c.begun() >= st.n })
		case stepHandled:
			c.await(t, st, func() bool { return len(seen.handled()) >= st.n })
		case stepRelease:
			seen.release()
		case stepBegin:
			s.begin()
		case stepRestart:
			s.begin()
			if err := s.await(); err != nil {
				t.Fatal(err)
			}
		case stepSettle:
			if err := errors.Join(s.await(), s.settle()); err != nil {
				t.Fatal(err)
			}
		case stepReset:
			leaves = true
		}
	}
	seen.release()
	if leaves {
		_ = c.conn.SetLinger(0)
		_ = c.conn.Close()
	} else {
		_ = c.conn.CloseWrite()
	}
	select {
	case <-c.ended:
	case <-time.After(patience):
		t.Fatalf("the connection does not end; got %q", c.all())
	}
	if err := s.await(); err != nil {
		t.Fatal(err)
	}
	return outcome{answers: c.all(), handled: seen.handled(), left: leaves, cut: !leaves && c.wasReset()}
}

// A receiver is the client's end of a connection, which is read all the time.
type receiver struct {
	conn   *net.TCPConn
	ended  chan struct{} // closed at the end of what the server sends
	end    error         // what that was
	unsent bool          // a write has met a reset

	mu  sync.Mutex
	got []byte
}

func receive(c *net.TCPConn) *receiver {
	r := &receiver{conn: c, ended: make(chan struct{})}
	go func() {
		defer close(r.ended)
		buf := make([]byte, 64<<10)
		for {
			n, err := c.Read(buf)
			r.mu.Lock()
			r.got = append(r.got, buf[:n]...)
			r.mu.Unlock()
			if err != nil {
				r.end = err
				return
			}
		}
	}()
	return r
}

// send sends text, unless the server has closed.
func (r *receiver) send(text string) {
	if _, err := io.WriteString(r.conn, text); errors.Is(err, syscall.ECONNRESET) {
		r.unsent = true
	}
}

// wasReset reports whether the server has reset the connection. The kernel tells that
// once, to a write or to a read: the next one meets an end like any other.
func (r *receiver) wasReset() bool { return r.unsent || r.end != io.EOF }

func (r *receiver) all() []byte {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.got
}

// begun returns how many answers have begun.
func (r *receiver) begun() int {
	all := r.all()
	return bytes.Count(all, []byte("HTTP/1.")) - bytes.Count(all, []byte("HTTP/1.1 100 "))
}

// await waits until ok or the end of the connection.
func (r *receiver) await(t *rapid.T, what step, ok func() bool) {
	tick := time.NewTicker(100 * time.Microsecond)
	defer tick.Stop()
	for bound := time.Now().Add(patience); !ok(); {
		select {
		case <-r.ended:
			return
		case <-tick.C:
		}
		if time.Now().After(bound) {
			t.Fatalf("in vain: %v; got %q", what, r.all())
		}
	}
}

// serverHasRead reports whether the other end of c, which is in this process, has
// nothing to read. It asks all descriptors: which one it is nobody knows.
func serverHasRead(c net.Conn) bool {
	fds, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		return true
	}
	client := c.LocalAddr().(*net.TCPAddr)
	for _, entry := range fds {
		fd, err := strconv.Atoi(entry.Name())
		if err != nil {
			continue
		}
		peer, err := unix.Getpeername(fd)
		if in4, ok := peer.(*unix.SockaddrInet4); err != nil || !ok || in4.Port != client.Port {
			continue
		}
		if n, err := unix.IoctlGetInt(fd, unix.SIOCINQ); err == nil && n > 0 {
			return false
		}
	}
	return true
}
