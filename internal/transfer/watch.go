package transfer

import (
	"errors"
	"os"
	"syscall"
	"time"

	"example.com/restart/internal/channel"
	"example.com/restart/internal/spawn"
)

// lookEvery is how often a watch looks whether it is still to wait.
const lookEvery = 250 * time.Millisecond

// A watch waits for the end of the process that receives. The end of the channel may
// not come then: a process that the receiver has started before New, or that a script
// around it has started, has the channel, too, and may live on.
type watch struct {
	ended chan struct{} // closed when the process has ended
	quit  chan struct{}
}

// watchReceiver watches the process that receives at the other end of conn. When it
// has ended, conn.Recv fails once with os.ErrDeadlineExceeded. The watch is nil if the
// process cannot be watched: the end of the channel then has to do.
func watchReceiver(conn *channel.Conn, pid int) *watch {
	if pid == 0 || pid == os.Getpid() { // package restarttest has one process
		return nil
	}
	w := &watch{ended: make(chan struct{}), quit: make(chan struct{})}
	proc, err := spawn.Open(pid)
	if errors.Is(err, syscall.ESRCH) {
		close(w.ended)
		return w
	}
	if err != nil {
		return nil
	}
	go func() {
		for !proc.Wait(lookEvery) {
			select {
			case <-w.quit:
				proc.Close()
				return
			default:
			}
		}
		proc.Close()
		close(w.ended)
		conn.StopRecv()
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
		close(w.quit)
	}
}
