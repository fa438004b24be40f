package spawn

import (
	"io"
	"os"
	"strings"
	"sync"
)

// While a successor starts, its standard error is a pipe, so that its last
// words can be quoted to whoever asked for the restart. The predecessor copies
// them on to the real standard error. From "go" on the successor writes there
// itself.
//
// A pipe whose reader is gone kills its writer by SIGPIPE. So the successor
// holds the read end, too, from its first moment on: as long as it lives there
// is a reader, and should the predecessor die, it takes over the copying.

// A Relay is the successor's side. The zero Relay means that standard error was
// left alone.
type Relay struct {
	Real *os.File // where standard error should go
	Pipe *os.File // read end of what descriptor 2 is now

	done  chan struct{} // closed when copying has ended, nil before it began
	stays bool          // descriptor 2 is the pipe for good
}

// Restore makes descriptor 2 the real standard error again. Processes that
// were started in the meantime may still write to the pipe, so it is copied
// until the last of them has closed it. If Restore fails it copies all the
// same: our own words go through the pipe then.
func (r *Relay) Restore() error { return r.restore(dupOver) }

func (r *Relay) restore(dupOver func(f *os.File, fd int) error) error {
	if r.Real == nil || r.Pipe == nil {
		r.Close()
		return nil
	}
	err := dupOver(r.Real, 2)
	to := io.Writer(os.Stderr)
	if err != nil {
		to, r.stays = r.Real, true
	}
	r.done = make(chan struct{})
	go func() {
		defer close(r.done)
		io.Copy(to, r.Pipe)
		r.Pipe.Close()
	}()
	return err
}

// Close ends the copying. Whoever still writes to the pipe then loses its
// reader. If that is this process, because Restore has failed, Close does nothing:
// the program would end by SIGPIPE with its next words.
func (r *Relay) Close() {
	if r.stays {
		return
	}
	if r.done != nil {
		defer func() { <-r.done }()
	}
	for _, f := range []*os.File{r.Real, r.Pipe} {
		if f != nil {
			f.Close()
		}
	}
}

// A Tail is the predecessor's side: it keeps the end of what it copies. The zero
// Tail is ready to use.
type Tail struct {
	mu   sync.Mutex
	kept []byte
}

// tailSize bounds what is kept: a Go panic of one goroutine fits.
const tailSize = 8 << 10

// copy copies from r to w until r ends or is closed.
func (t *Tail) copy(w io.Writer, r io.Reader) {
	buf := make([]byte, 4096)
	for {
		n, err := r.Read(buf)
		if n > 0 {
			w.Write(buf[:n])
			t.Write(buf[:n])
		}
		if err != nil {
			return
		}
	}
}

// Write keeps the end of b. It never fails.
func (t *Tail) Write(b []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.kept = append(t.kept, b...)
	if over := len(t.kept) - tailSize; over > 0 {
		t.kept = append(t.kept[:0], t.kept[over:]...)
	}
	return len(b), nil
}

func (t *Tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return string(t.kept)
}

// LastWords returns the last n lines of what a process wrote, but of a Go
// program that crashed the lines that say why: below them are the stacks.
func LastWords(stderr string, n int) string {
	lines := strings.Split(strings.TrimRight(stderr, "\n"), "\n")
	for i, line := range lines {
		if strings.HasPrefix(line, "panic: ") || strings.HasPrefix(line, "fatal error: ") {
			return strings.TrimRight(strings.Join(lines[i:min(i+n, len(lines))], "\n"), "\n")
		}
	}
	return strings.Join(lines[max(0, len(lines)-n):], "\n")
}
