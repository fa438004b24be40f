package tcp

import (
	"errors"
	"net"
	"syscall"
	"time"
)

// The pause after a failed Accept: package net/http's numbers.
const (
	firstPause = 5 * time.Millisecond
	maxPause   = time.Second
)

// accept starts a handler for each connection until the server stops.
func (s *Server) accept(l net.Listener) error {
	var pause time.Duration
	for {
		c, err := l.Accept()
		if err == nil {
			pause = 0
			if !s.start(newConn(s, c, nil)) {
				c.Close()
			}
			continue
		}
		if s.isStopping() {
			return net.ErrClosed
		}
		if !passes(err) {
			return err
		}
		pause = min(max(2*pause, firstPause), maxPause)
		s.log().Warn("restart/tcp: cannot accept, trying again", "error", err, "pause", pause)
		if !s.rest(pause) {
			return net.ErrClosed
		}
	}
}

// passes reports whether err says that something is scarce that may be there
// again later. Trying again at once would only burn a processor.
func passes(err error) bool {
	for _, scarce := range []error{syscall.EMFILE, syscall.ENFILE, syscall.ENOBUFS, syscall.ENOMEM} {
		if errors.Is(err, scarce) {
			return true
		}
	}
	// The client is gone already, or the network says something of one client
	// that accept(2) passes on.
	return errors.Is(err, syscall.ECONNABORTED) || errors.Is(err, syscall.EPROTO)
}

// rest waits, and reports false if the server stops.
func (s *Server) rest(d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-s.stopping:
		return false
	}
}

func (s *Server) isStopping() bool {
	select {
	case <-s.stopping:
		return true
	default:
		return false
	}
}
