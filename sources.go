package restart

import (
	"errors"
	"os"
	"time"

	"example.com/restart/internal/channel"
	"example.com/restart/internal/wire"
)

// A source is a channel on which an earlier generation hands connections over:
// the predecessor, or one before it that still drains. When this process is
// replaced in turn, its successor gets the channel. Were it closed instead, or
// kept open until everybody before has drained, then either connections would
// stay behind when restarts follow each other quickly, or processes would pile
// up behind one slow download.
type source struct {
	conn  *channel.Conn
	ended chan struct{} // closed when nothing is received from it any more
}

// receive takes what any earlier generation may send, and reports whether f is
// that. It takes the descriptors then.
func (l *loop) receive(conn *channel.Conn, f wire.Frame, fds []int) bool {
	switch f.Type {
	case wire.TypeConns:
		l.r.receiveConns(conn, f, fds)
	case wire.TypeSource:
		for _, file := range channel.Files(fds) {
			conn, err := channel.Open(file)
			if err != nil {
				l.log.Error("restart: a channel from the predecessor", "error", err)
			} else if !l.post(sourceCame{conn}) {
				conn.Close()
			}
		}
	default:
		return false
	}
	return true
}

// addSource begins to take connections from conn.
func (l *loop) addSource(conn *channel.Conn) {
	if l.state == StateStopped {
		conn.Close()
		return
	}
	s := &source{conn: conn, ended: make(chan struct{})}
	l.sources = append(l.sources, s)
	l.goroutines.Go(func() {
		defer close(s.ended)
		for {
			f, fds, err := conn.RecvRaw()
			if err != nil {
				if !errors.Is(err, os.ErrDeadlineExceeded) {
					conn.Close() // it is gone, and so may be the descriptor
				}
				return
			}
			if !l.receive(conn, f, fds) {
				channel.CloseRaw(fds)
			}
		}
	})
	if l.state == StateDraining {
		l.goroutines.Go(l.passSources())
	}
}

// passSources gives up the sources for the successor, if there is one. The
// function that it returns passes them on.
func (l *loop) passSources() func() {
	if l.successor == nil {
		return func() {}
	}
	sources, to := l.sources, l.successor.conn
	l.sources = nil
	return func() {
		for _, s := range sources {
			if s.gone() {
				s.conn.Close()
				continue
			}
			l.silence(s)
			if err := s.pass(to); err != nil {
				l.log.Warn("restart: an earlier generation must keep its connections", "error", err)
			}
			s.conn.Close()
		}
	}
}

// gone reports whether nothing can come from s any more.
func (s *source) gone() bool {
	select {
	case <-s.ended:
		return true
	default:
		return false
	}
}

// silence ends receiving from s. A batch of connections that was begun is
// finished and answered: those that were taken must not seem not to have been,
// or two processes would serve them. What comes later stays in the channel.
func (l *loop) silence(s *source) {
	s.conn.StopRecv()
	bound := time.NewTimer(closeGrace) // Adopt is foreign code
	defer bound.Stop()
	select {
	case <-s.ended:
	case <-bound.C:
		l.log.Error("restart: Adopt does not return; connections that it took may be served twice")
	}
}

// pass sends the channel itself on.
func (s *source) pass(to *channel.Conn) error {
	f, err := s.conn.File()
	if err != nil {
		return err
	}
	defer f.Close()
	return to.Send(wire.TypeSource, wire.Source{}, f)
}

// closeSources ends receiving from all. What was not received stays where it
// is.
func (l *loop) closeSources() {
	for _, s := range l.sources {
		l.silence(s)
		s.conn.Close()
	}
}
