package restart

import (
	"errors"
	"os"
	"sync/atomic"
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
	over  atomic.Bool   // it was the other end that ended it

	// names are our predecessor's names for the listeners, by those that the
	// source uses: listeners may have been renamed since. Nil: they are the
	// same, as they are for the predecessor itself.
	names map[string]string
}

// receive takes what any earlier generation may send, and reports whether f is
// that. It takes the descriptors then.
func (l *loop) receive(s *source, f wire.Frame, fds []int) bool {
	switch f.Type {
	case wire.TypeConns:
		l.r.receiveConns(s, f, fds)
	case wire.TypeSource:
		var m wire.Source
		if err := f.Decode(&m); err != nil {
			channel.CloseRaw(fds) // whose connections are whose is not known
			l.log.Error("restart: a channel from the predecessor", "error", err)
			return true
		}
		for _, file := range channel.Files(fds) {
			conn, err := channel.Open(file)
			if err != nil {
				l.log.Error("restart: a channel from the predecessor", "error", err)
			} else if !l.post(sourceCame{conn, m.Names}) {
				conn.Close()
			}
		}
	default:
		return false
	}
	return true
}

// addSource begins to take connections from conn.
func (l *loop) addSource(conn *channel.Conn, names map[string]string) {
	if l.state == StateStopped {
		conn.Close()
		return
	}
	s := &source{conn: conn, names: names, ended: make(chan struct{})}
	l.sources = append(l.sources, s)
	l.goroutines.Go(func() {
		defer close(s.ended)
		for {
			f, fds, err := conn.RecvRaw()
			if err != nil {
				if !errors.Is(err, os.ErrDeadlineExceeded) {
					s.over.Store(true)
					conn.Close() // it is gone, and so may be the descriptor
				}
				return
			}
			if !l.receive(s, f, fds) {
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
			l.silence(s)
			if s.over.Load() {
				s.conn.Close()
				continue
			}
			if err := s.pass(to, l.r.table.heirs(s.names)); err != nil {
				l.log.Warn("restart: an earlier generation must keep its connections", "error", err)
			}
			s.conn.Close()
		}
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

// pass sends the channel itself on, with our names for the listeners.
func (s *source) pass(to *channel.Conn, names map[string]string) error {
	f, err := s.conn.File()
	if err != nil {
		return err
	}
	defer f.Close()
	return to.Send(wire.TypeSource, wire.Source{Names: names}, f)
}

// closeSources ends receiving from all. What was not received stays where it
// is.
func (l *loop) closeSources() {
	for _, s := range l.sources {
		l.silence(s)
		s.conn.Close()
	}
}
