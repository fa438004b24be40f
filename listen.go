package restart

import (
	"context"
	"net"
	"sync"
)

// Listen returns a listener for a program that has a life cycle of its own, such
// as a message broker that is given a listener and started. Otherwise it is like
// [Restarter.Add], whose service the program itself is then:
//
//   - The first Accept says that the program serves; a successor is not ready
//     before. Accept blocks until this process may accept.
//   - When the drain begins, [Restarter.Draining] is closed and Accept fails with
//     net.ErrClosed, after the clients that nobody else would serve. The program
//     should then finish and close its connections; Run waits until all that
//     were accepted are closed, and closes what is left after
//     [Options.HammerTime].
//   - Closing the listener says that the program is done with it.
func (r *Restarter) Listen(name, network, address string) (net.Listener, error) {
	s := &ownLife{closed: make(chan struct{})}
	sock := &socket{name: name, network: network, address: address, stream: s}
	if _, err := r.add(sock); err != nil {
		return nil, err
	}
	return &ownListener{sock.ln, s}, nil
}

// An ownLife is the Service that stands for a program with a life cycle of its
// own.
type ownLife struct {
	serve  ServeOnce
	once   sync.Once
	closed chan struct{} // the program is done, or to end
}

func (s *ownLife) end() { s.once.Do(func() { close(s.closed) }) }

// Serve implements Service.
func (s *ownLife) Serve(l net.Listener) error {
	if err := s.serve.Begin(l); err != nil {
		return err
	}
	defer s.serve.End()
	<-s.closed
	return nil
}

// Shutdown implements Service.
func (s *ownLife) Shutdown(ctx context.Context) error {
	s.end()
	s.serve.Stop(ctx)
	return nil
}

// An ownListener is what the program accepts from.
type ownListener struct {
	net.Listener
	service *ownLife
}

func (l *ownListener) Close() error {
	defer l.service.end()
	return l.Listener.Close()
}
