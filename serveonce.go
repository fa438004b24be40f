package restart

import (
	"context"
	"errors"
	"net"
	"sync"
)

// A ServeOnce does what Serve and Shutdown of every [Service] must do: it closes
// the listener once, waits for Serve, and gets the order right when Shutdown
// comes before Serve or between an Accept and the connection's registration.
// The zero value is ready to use; a ServeOnce must not be copied.
//
//	func (s *Server) Serve(l net.Listener) error {
//		if err := s.once.Begin(l); err != nil {
//			return err
//		}
//		defer s.once.End()
//		for {
//			c, err := l.Accept()
//			if err != nil {
//				return err
//			}
//			s.register(c)
//		}
//	}
//
//	func (s *Server) Shutdown(ctx context.Context) error {
//		s.once.Stop(ctx) // from here on nothing is accepted, and all is registered
//		return s.finish(ctx)
//	}
type ServeOnce struct {
	mu      sync.Mutex
	stopped bool
	l       net.Listener
	ended   chan struct{} // closed by End; nil before Begin
}

// errServedTwice is an error of the program.
var errServedTwice = errors.New("restart: Serve was called twice: a Service serves one listener")

// Begin is the first thing that Serve calls. After an error Serve must return
// it: net.ErrClosed when Stop came first, another one when Serve was called
// before. The listener is closed then.
func (o *ServeOnce) Begin(l net.Listener) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	switch {
	case o.ended != nil:
		l.Close()
		return errServedTwice
	case o.stopped:
		l.Close()
		return net.ErrClosed
	}
	o.l, o.ended = l, make(chan struct{})
	return nil
}

// End says that Serve returns. Defer it. It closes the listener.
func (o *ServeOnce) End() {
	o.l.Close()
	close(o.ended)
}

// Stop is the first thing that Shutdown calls. It closes the listener and waits
// until Serve has returned or ctx has ended. It reports whether Serve was ever
// called; if not, a later Begin fails. It may be called more than once.
func (o *ServeOnce) Stop(ctx context.Context) bool {
	o.mu.Lock()
	o.stopped = true
	l, ended := o.l, o.ended
	o.mu.Unlock()
	if ended == nil {
		return false
	}
	l.Close()
	select {
	case <-ended:
	case <-ctx.Done():
	}
	return true
}
