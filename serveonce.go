package restart

import (
	"context"
	"errors"
	"net"
	"sync"
)

// A ServeOnce is the part that Serve and Shutdown of every [Service] have in
// common. It makes Serve return when Shutdown was called, also when Shutdown
// came first, and it makes Shutdown wait until each accepted connection is
// registered. The zero value is ready to use. A ServeOnce must not be copied.
// Several goroutines may call its methods at once.
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
//			s.register(c) // and serve c in a goroutine
//		}
//	}
//
//	func (s *Server) Shutdown(ctx context.Context) error {
//		s.once.Stop(ctx) // from here on no connection is added
//		return s.finish(ctx)
//	}
type ServeOnce struct {
	mu       sync.Mutex
	stopped  bool          // Stop or Close was called
	listener net.Listener  // nil before Begin
	ended    chan struct{} // closed by End; nil before Begin
}

// errServedTwice reports a bug of the program.
var errServedTwice = errors.New("restart: Serve was called twice: a Service serves one listener")

// Begin is the first call in Serve. When it fails, it has closed l, and Serve
// must return the error: net.ErrClosed after Stop or Close, another error when
// Serve is called for the second time.
func (o *ServeOnce) Begin(l net.Listener) error {
	err := o.begin(l)
	if err != nil {
		l.Close()
	}
	return err
}

func (o *ServeOnce) begin(l net.Listener) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	switch {
	case o.listener != nil:
		return errServedTwice
	case o.stopped:
		return net.ErrClosed
	}
	o.listener, o.ended = l, make(chan struct{})
	return nil
}

// End says that Serve returns, and closes the listener. Serve defers it after a
// Begin that has succeeded.
func (o *ServeOnce) End() {
	o.listener.Close()
	close(o.ended)
}

// Stop is the first call in Shutdown. It closes the listener and waits until
// Serve has returned or ctx has ended. It reports whether Serve was called
// before; if not, it returns at once, and a later Begin fails. It may be called
// more than once.
func (o *ServeOnce) Stop(ctx context.Context) bool {
	ended := o.stop()
	if ended == nil {
		return false
	}
	select {
	case <-ended:
	case <-ctx.Done():
	}
	return true
}

// Close does what Stop does, but does not wait for Serve. It is for the Close
// of a service, which must not block.
func (o *ServeOnce) Close() { o.stop() }

// stop returns a channel that is closed when Serve has returned, nil if Serve
// was not called.
func (o *ServeOnce) stop() <-chan struct{} {
	o.mu.Lock()
	o.stopped = true
	l, ended := o.listener, o.ended
	o.mu.Unlock()
	if l != nil {
		l.Close()
	}
	return ended
}
