package transfer

import (
	"errors"
	"os"
	"syscall"

	"example.com/restart/internal/channel"
	"example.com/restart/internal/spawn"
)

// A watch waits for the end of the process that receives. The end of the channel may
// not come then: a process that the receiver has started before New, or that a script
// around it has started, has the channel, too, and may live on.
type watch struct {
	proc  *spawn.Handle // nil: it had ended before anybody could watch it
	ended chan struct{} // closed when the process has ended
	over  chan struct{} // closed when nobody waits any more
}

// watchReceiver watches the process that receives at the other end of conn. When it
// has ended, conn.Recv fails once with os.ErrDeadlineExceeded. The watch is nil if the
// process cannot be watched: the end of the channel then has to do.
func watchReceiver(conn *channel.Conn, pid int) *watch {
	if pid == 0 || pid == os.Getpid() { // package restarttest has one process
		return nil
	}
	w := &watch{ended: make(chan struct{}), over: make(chan struct{})}
	proc, err := spawn.Open(pid)
	switch {
	case errors.Is(err, syscall.ESRCH):
		close(w.ended)
		close(w.over)
		return w
	case err != nil:
		return nil
	}
	w.proc = proc
	go func() {
		defer close(w.over)
		if proc.AwaitEnd() {
			close(w.ended)
			conn.StopRecv()
		}
	}()
	return w
}

// hasEnded reports whether the process has ended. What it has sent can be received.
func (w *watch) hasEnded() bool {
	if w == nil {
		return false
	}
	select {
	case <-w.ended:
		return true
	default:
		return false
	}
}

// stop ends the wait. It does nothing to a nil watch.
func (w *watch) stop() {
	if w != nil {
		w.proc.Close()
		<-w.over
	}
}
