package tcp

import (
	"errors"
	"net"
	"syscall"
	"time"
)

// The pauses after a failed Accept, those of net/http.
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
		if s.isDraining() {
			return net.ErrClosed
		}
		if !isTemporary(err) {
			return err
		}
		pause = min(max(2*pause, firstPause), maxPause)
		s.log().Warn("restart/tcp: accept failed, retrying", "error", err, "pause", pause)
		if !s.wait(pause) {
			return net.ErrClosed
		}
	}
}

// isTemporary reports whether Accept may succeed later.
func isTemporary(err error) bool {
	for _, errno := range []syscall.Errno{
		syscall.EMFILE, syscall.ENFILE, syscall.ENOBUFS, syscall.ENOMEM, // out of descriptors or memory
		syscall.ECONNABORTED, // the client is gone
		syscall.EPROTO,       // an error of one client's connection, see accept(2)
	} {
		if errors.Is(err, errno) {
			return true
		}
	}
	return false
}

// wait waits for a time. It reports false if the drain begins meanwhile.
func (s *Server) wait(d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-s.draining:
		return false
	}
}

func (s *Server) isDraining() bool {
	select {
	case <-s.draining:
		return true
	default:
		return false
	}
}
