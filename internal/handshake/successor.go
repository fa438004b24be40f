package handshake

import (
	"syscall"
	"time"

	"example.com/restart/internal/channel"
	"example.com/restart/internal/spawn"
)

// A Successor is the new process as the old one sees it.
type Successor struct {
	Claims
	PID       int // of the process that serves: under a wrapper script not the one that was started
	Conn      *channel.Conn
	Probation bool // it is on probation, see Watch

	proc    spawn.Process
	speaker *spawn.Handle // of PID if that was not started by us, else nil
	met     bool          // the process that serves has spoken
	unwatch func()        // ends what guard began, nil: nothing
	look    time.Duration // see lookEvery
}

// Signal sends a signal to the process that serves, not to its wrapper.
func (s *Successor) Signal(sig syscall.Signal) {
	if s.speaker != nil {
		s.speaker.Signal(sig)
		return
	}
	s.proc.Signal(sig)
}

// Wait waits for the end of the process that serves, no longer than within, and
// reports whether it came.
func (s *Successor) Wait(within time.Duration) bool { return s.ended()(within) }

// Exit returns how the process that was started has ended, such as "signal:
// killed", empty if it lives or that is not known.
func (s *Successor) Exit() string { return s.proc.Exit() }

// Release gives up the process. The channel stays open.
func (s *Successor) Release() {
	s.speaker.Close()
	s.proc.Release()
}
