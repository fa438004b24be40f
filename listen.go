package restart

import (
	"context"
	"net"
	"sync"
)

// Listen returns a listener for a program that has a life cycle of its own, such
// as a message broker that is given a listener and started. It is like
// [Restarter.Add] with the program itself as the service:
//
//   - The first Accept says that the program serves; a successor is not ready
//     before. Accept blocks until this process may accept.
//   - When the drain begins, [Restarter.Draining] is closed and Accept fails with
//     net.ErrClosed, once it has returned the waiting clients that nobody else
//     would serve. The program should then finish and close its connections. Run
//     waits until all of them are closed, and closes the rest after
//     [Options.HammerTime].
//   - Closing the listener says that the program is done with it.
func (r *Restarter) Listen(name, network, address string) (net.Listener, error) {
	s := &plainService{closed: make(chan struct{})}
	sock := &socket{name: name, network: network, address: address, stream: s}
	if _, err := r.add(sock); err != nil {
		return nil, err
	}
	return &plainListener{sock.ln, s}, nil
}

// A plainService stands for a program that has taken a listener by Listen.
type plainService struct {
	serve  ServeOnce
	once   sync.Once
	closed chan struct{} // closed when the program is done with the listener, or to end
}

func (s *plainService) end() { s.once.Do(func() { close(s.closed) }) }

// Serve implements Service.
func (s *plainService) Serve(l net.Listener) error {
	if err := s.serve.Begin(l); err != nil {
		return err
	}
	defer s.serve.End()
	<-s.closed
	return nil
}

// Shutdown implements Service.
func (s *plainService) Shutdown(ctx context.Context) error {
	s.end()
	s.serve.Stop(ctx)
	return nil
}

// A plainListener is what Listen returns.
type plainListener struct {
	net.Listener
	service *plainService
}

func (l *plainListener) Close() error {
	defer l.service.end()
	return l.Listener.Close()
}
