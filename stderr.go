package restart

import (
	"io"
	"os"
	"sync"

	"example.com/restart/internal/wire"
)

// While a successor starts, its standard error is a pipe, so that its last
// words can be quoted to whoever asked for the restart. The predecessor copies
// them on to the real standard error. From "go" on the successor writes there
// itself.
//
// A pipe whose reader is gone kills its writer by SIGPIPE. So the successor
// holds the read end, too, from its first moment on: as long as it lives there
// is a reader, and should the predecessor die, it takes over the copying.

// A relay is the successor's side of it. Nil means that standard error was
// left alone.
type relay struct {
	real *os.File      // where it should go
	pipe *os.File      // read end of what descriptor 2 is now
	done chan struct{} // closed when copying has ended, nil before it began
}

func (r *relay) with(k wire.Kind, f *os.File) *relay {
	if r == nil {
		r = new(relay)
	}
	old := &r.real
	if k == wire.KindRelay {
		old = &r.pipe
	}
	if *old != nil {
		(*old).Close()
	}
	*old = f
	return r
}

// restore makes descriptor 2 the real standard error again. Processes that
// were started in the meantime may still write to the pipe: what comes is
// copied until the last of them has closed it.
func (r *relay) restore() error {
	if r == nil || r.real == nil || r.pipe == nil {
		r.close()
		return nil
	}
	if err := dupOver(r.real, 2); err != nil {
		return err
	}
	r.done = make(chan struct{})
	go func() {
		defer close(r.done)
		io.Copy(os.Stderr, r.pipe)
		r.pipe.Close()
	}()
	return nil
}

// close ends the copying. Whoever still writes to the pipe then loses its
// reader.
func (r *relay) close() {
	if r == nil {
		return
	}
	if r.done != nil {
		defer func() { <-r.done }()
	}
	for _, f := range []*os.File{r.real, r.pipe} {
		if f != nil {
			f.Close()
		}
	}
}

// A tail is the predecessor's side: it passes on what it reads and keeps the
// end of it.
type tail struct {
	mu   sync.Mutex
	kept []byte
}

// tailSize bounds what is kept: a Go panic of one goroutine fits.
const tailSize = 8 << 10

// follow copies from r to w until r ends or is closed.
func (t *tail) follow(w io.Writer, r io.Reader) {
	buf := make([]byte, 4096)
	for {
		n, err := r.Read(buf)
		if n > 0 {
			w.Write(buf[:n])
			t.add(buf[:n])
		}
		if err != nil {
			return
		}
	}
}

func (t *tail) add(b []byte) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.kept = append(t.kept, b...)
	if over := len(t.kept) - tailSize; over > 0 {
		t.kept = append(t.kept[:0], t.kept[over:]...)
	}
}

func (t *tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return string(t.kept)
}
