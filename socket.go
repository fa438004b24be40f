package restart

import (
	"context"
	"fmt"
	"net"
	"slices"
	"sync/atomic"
	"syscall"

	"example.com/restart/internal/fdutil"
	"example.com/restart/internal/gate"
	"example.com/restart/internal/handshake"
	"example.com/restart/internal/sockaddr"
	"example.com/restart/internal/wire"
)

// A socket is a named listener or datagram socket of this generation.
type socket struct {
	name, network, address string        // as given to Add
	stream                 Service       // nil if it has datagrams
	datagrams              PacketService // nil if it has a stream

	ln     *gate.Listener // nil if it has datagrams
	packet net.PacketConn // nil if it has a stream

	path      sockaddr.Path
	inherited string // the predecessor's name for it, "" if bound here
	offer     *offer // the offer it was made of, nil if bound here

	shutDown atomic.Bool // Shutdown of its service has been called
	kinds    []string    // what its service adopts, see KindAdopter; only for the loop
}

// kind returns the kind of the socket in the manifest.
func (s *socket) kind() wire.Kind {
	if s.datagrams != nil {
		return wire.KindPacket
	}
	return wire.KindListener
}

// service returns the service of the socket, for its optional interfaces.
func (s *socket) service() interface{ Shutdown(context.Context) error } {
	if s.datagrams != nil {
		return s.datagrams
	}
	return s.stream
}

// adoptedKinds asks the service, which serves, what it adopts.
func (s *socket) adoptedKinds() []string {
	a, ok := s.service().(KindAdopter)
	if !ok {
		return nil
	}
	kinds := slices.DeleteFunc(slices.Clone(a.AdoptedKinds()), func(kind string) bool { return len(kind) > handshake.MaxKind })
	return kinds[:min(len(kinds), handshake.MaxKinds)]
}

func (s *socket) serve() error {
	if s.datagrams != nil {
		return s.datagrams.ServePacket(s.packet)
	}
	return s.stream.Serve(s.ln)
}

func (s *socket) addr() net.Addr {
	if s.ln != nil {
		return s.ln.Addr()
	}
	return s.packet.LocalAddr()
}

// bind opens a new socket.
func (s *socket) bind(ctx context.Context, config net.ListenConfig, listen listenFunc) (err error) {
	if p, ok := s.service().(Preparer); ok {
		config.Control = both(config.Control, p.PrepareSocket)
	}
	if s.datagrams != nil {
		s.packet, s.path, err = sockaddr.ListenPacket(ctx, config, s.network, s.address)
		return err
	}
	ln, path, err := listen(ctx, config, s.network, s.address)
	if err != nil {
		return err
	}
	s.ln, s.path = gate.New(ln), path
	return nil
}

type controlFunc = func(network, address string, c syscall.RawConn) error

// both returns a function that calls first, which may be nil, and then second.
func both(first, second controlFunc) controlFunc {
	return func(network, address string, c syscall.RawConn) error {
		if first != nil {
			if err := first(network, address, c); err != nil {
				return err
			}
		}
		return second(network, address, c)
	}
}

// adopt makes the socket of an inherited descriptor. It takes the offer's file.
func (s *socket) adopt(o *offer, alive keepAlive) error {
	f := o.file
	o.file = nil
	if s.datagrams != nil {
		pc, err := fdutil.PacketConn(f)
		if err != nil {
			return err
		}
		s.packet = pc
	} else {
		ln, err := fdutil.Listener(f)
		if err != nil {
			return err
		}
		sock, ok := ln.(gate.Socket)
		if !ok {
			ln.Close()
			return fmt.Errorf("unexpected %T", ln)
		}
		s.ln = gate.New(alive.listener(sock))
	}
	if got := s.addr().String(); got != o.desc.Local {
		s.close()
		return fmt.Errorf("the socket is bound to %s", got)
	}
	s.inherited, s.offer = o.desc.Name, o
	s.path = pathOf(o.desc)
	return nil
}

func pathOf(f wire.File) sockaddr.Path {
	return sockaddr.Path{Name: f.Path, Dev: f.Dev, Ino: f.Ino, Made: f.Made}
}

// close closes the socket. The file of a Unix socket stays.
func (s *socket) close() {
	if s.ln != nil {
		s.ln.Close()
	}
	if s.packet != nil {
		s.packet.Close()
	}
}

// describe duplicates the socket for a successor. The caller owns the file. If the
// service has closed the socket, the error is net.ErrClosed or os.ErrClosed.
func (s *socket) describe() (handshake.Socket, error) {
	conn, err := s.conn()
	if err != nil {
		return handshake.Socket{}, err
	}
	f, err := fdutil.Dup(conn)
	if err != nil {
		return handshake.Socket{}, err
	}
	return handshake.Socket{File: f, Desc: s.desc()}, nil
}

func (s *socket) desc() wire.File {
	return wire.File{
		Kind: s.kind(), Name: s.name, Network: s.network, Address: s.address,
		Local: s.addr().String(),
		Path:  s.path.Name, Dev: s.path.Dev, Ino: s.path.Ino, Made: s.path.Made,
	}
}

// conn lends the socket below the gate.
func (s *socket) conn() (syscall.Conn, error) {
	var real any = s.packet
	if s.ln != nil {
		real = s.ln.Socket()
	}
	conn, ok := real.(syscall.Conn)
	if !ok {
		return nil, fmt.Errorf("%T has no descriptor", real)
	}
	return conn, nil
}
