package handshake

import "time"

// lookEvery is how often somebody who waits for the end of a process looks whether
// it is still to wait, unless a test says so.
const lookEvery = 250 * time.Millisecond

// guard ends receiving when the process that serves has ended, and the channel has
// not soon after: a process that it has started before New has the channel, too, and
// may live on.
func (s *Successor) guard() {
	s.unguard()
	quit := make(chan struct{})
	s.unwatch = func() { close(quit) }
	conn, ended, look := s.Conn, s.ended(), s.look
	go func() {
		for !ended(look) {
			select {
			case <-quit:
				return
			default:
			}
		}
		select {
		case <-quit:
		case <-time.After(look):
			conn.EndRecv()
		}
	}()
}

func (s *Successor) unguard() {
	if s.unwatch != nil {
		s.unwatch()
		s.unwatch = nil
	}
}

// ended returns a function that waits for the end of the process that serves and
// reports whether it came.
func (s *Successor) ended() func(within time.Duration) bool {
	switch proc := s.proc; {
	case s.speaker != nil:
		return s.speaker.Wait
	case s.met:
		return proc.Wait
	default:
		// It may be a script that starts the program in the background. When that
		// has ended well, the channel says what becomes of the program.
		return func(within time.Duration) bool {
			if !proc.Wait(within) {
				return false
			}
			well := proc.Exit() == "exit status 0"
			if well {
				time.Sleep(within)
			}
			return !well
		}
	}
}
