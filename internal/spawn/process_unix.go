//go:build darwin || dragonfly || freebsd || linux || netbsd || openbsd

package spawn

import (
	"io"
	"os"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"example.com/restart/internal/fdutil"
)

// Supported reports whether this platform can start a successor.
const Supported = true

// A unixProcess is a child and its standard error. What child is depends on the
// platform.
type unixProcess struct {
	child

	// Our standard error, and the read end of the pipe that the process has
	// instead; both nil if it has ours.
	realStderr, pipe *os.File

	copied   chan struct{} // closed when nothing is copied from pipe any more
	released sync.Once

	mu     sync.Mutex
	status string // how it ended, once that is known
}

// Start starts cmd with its end of a channel, which Start borrows, as the child
// of parent. It is the one place where processes are made. Until StopStderr or
// Release is called, what the process writes to its standard error is copied to
// ours, and its end is kept in tail.
func Start(cmd Command, parent Parent, channel *os.File, tail *Tail, greet Greeting) (Process, error) {
	p := &unixProcess{copied: make(chan struct{})}
	write, err := p.pipeStderr()
	if err != nil {
		return nil, err
	}
	if err = greet(p.realStderr, p.pipe); err == nil {
		p.child, err = fork(cmd, parent, channel, write)
	}
	if write != nil {
		write.Close()
	}
	if err != nil {
		close(p.copied)
		p.closeFiles()
		return nil, err
	}
	go func() {
		defer close(p.copied)
		if p.pipe != nil {
			tail.copy(os.Stderr, p.pipe)
			// After StopStderr: what the process has written so far is still there.
			tail.copy(os.Stderr, io.LimitReader(written{p.pipe}, maxWritten))
		}
	}()
	return p, nil
}

// fork forks and executes. Only descriptors 0 to 3 go along, by number and
// without touching the open files behind them: never os.StartProcess or
// exec.Cmd, see package fdutil.
func fork(cmd Command, parent Parent, channel, stderr *os.File) (c child, err error) {
	err = fdutil.Control(channel, func(ch int) error {
		run := func(fd2 int) error {
			c, err = startChild(cmd.Path, cmd.Args, parent, syscall.ProcAttr{
				Dir:   cmd.Dir,
				Env:   append(cmd.Env, ChannelVar+"=3"), // the place of ch in Files
				Files: []uintptr{0, 1, uintptr(fd2), uintptr(ch)},
			})
			return err
		}
		if stderr == nil {
			return run(2)
		}
		return fdutil.Control(stderr, run)
	})
	return c, err
}

// pipeStderr makes the pipe that stands in for standard error and returns its
// write end. A terminal is left alone: programs look whether they have one,
// and whoever sits there sees the words anyway.
func (p *unixProcess) pipeStderr() (write *os.File, err error) {
	if _, err := unix.IoctlGetTermios(2, getTermios); err == nil {
		return nil, nil
	}
	if p.realStderr, err = dupRaw(2); err != nil {
		return nil, err
	}
	// Not os.Pipe: the write end must stay blocking, or a long panic would be
	// cut short.
	read, stderr, err := pipe()
	if err != nil {
		p.closeFiles()
		return nil, err
	}
	_ = unix.SetNonblock(read, true) // cannot fail; makes its reads end by a deadline
	p.pipe = os.NewFile(uintptr(read), "stderr")
	return os.NewFile(uintptr(stderr), "stderr"), nil
}

func dupRaw(fd int) (*os.File, error) {
	dup, err := unix.FcntlInt(uintptr(fd), unix.F_DUPFD_CLOEXEC, 0)
	if err != nil {
		return nil, os.NewSyscallError("fcntl(F_DUPFD_CLOEXEC)", err)
	}
	return os.NewFile(uintptr(dup), "dup"), nil
}

// StopStderr reads what is in the pipe, and no further: children of the process
// may hold its write end.
func (p *unixProcess) StopStderr() {
	if p.pipe != nil {
		p.pipe.SetReadDeadline(time.Unix(1, 0))
	}
	<-p.copied
}

// maxWritten is the most that a pipe holds, unless root has allowed more. Children
// that write all the time are not copied for ever.
const maxWritten = 1 << 20

// A written reads what is in a pipe and then ends, whoever holds the write end. It
// does not heed deadlines.
type written struct{ pipe *os.File }

// Read implements io.Reader.
func (w written) Read(b []byte) (n int, err error) {
	err = fdutil.Control(w.pipe, func(fd int) (err error) {
		for {
			if n, err = unix.Read(fd, b); err != unix.EINTR {
				return err
			}
		}
	})
	if err != nil || n == 0 {
		return 0, io.EOF // EAGAIN: it is empty
	}
	return n, nil
}

func (p *unixProcess) Release() string {
	p.released.Do(func() {
		p.StopStderr()
		p.Exit()
		p.release()
		p.closeFiles()
	})
	return p.Exit()
}

func (p *unixProcess) Exit() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.status == "" {
		p.status = p.exit()
	}
	return p.status
}

func (p *unixProcess) closeFiles() {
	for _, f := range []*os.File{p.realStderr, p.pipe} {
		if f != nil {
			f.Close()
		}
	}
}
