package restart

import (
	"context"
	"log/slog"
	"net"
)

// A Service serves the connections of one listener. A *http.Server is one as
// it stands; package example.com/restart/grpcadapter makes one of a
// *grpc.Server.
//
// Serve accepts from the listener until the listener is closed or Shutdown is
// called. It owns the listener: it may close it, and Run closes it in any
// case. The Restarter takes the service to be serving when Serve calls Accept
// for the first time; a successor that has not come so far is not ready. Accept
// then blocks until the successor has taken over, so a service needs to know
// nothing of generations. An error from Serve while nothing asks it to stop
// ends the whole program's serving: Run drains the other services and returns
// that error. net.ErrClosed, http.ErrServerClosed and grpc.ErrServerStopped are
// not errors but a service that is done. Accept itself may fail for a moment when
// descriptors run out (EMFILE), as it may while a successor starts: a service
// should try again, as net/http does.
//
// Shutdown is called once, from another goroutine, when the process drains. No
// new connection comes from the listener by then, and Accept blocks until the
// listener is closed, which is the first thing Shutdown should do if the
// service waits for Serve. It may be called before Serve, whose Accept must
// then not be waited for. Shutdown returns when the work in hand is finished.
// Its context ends when the drain is over by force, [Options.HammerTime] or
// [Restarter.Hammer]; Shutdown should then return, but nothing depends on it.
// The context carries the way to the successor, see [HandoverFrom].
//
// A Service may do more, found by interface: [Adopter], [Stateful], and
// Close() error, which the hammer calls before it closes the connections that
// are left.
type Service interface {
	Serve(net.Listener) error
	Shutdown(context.Context) error
}

// A PacketService serves a datagram socket.
//
// ServePacket reads from the socket until Shutdown is called. The socket is
// shared with the successor, which reads from it as soon as it has taken over,
// so for a short time both do: each datagram reaches one of them, and a
// protocol whose answer needs state from an earlier datagram (QUIC) cannot be
// served so. Shutdown must make ServePacket return; it should finish with what
// has already been read, and read no more. Otherwise Shutdown is what it is
// for a [Service], and so are errors.
type PacketService interface {
	ServePacket(net.PacketConn) error
	Shutdown(context.Context) error
}

// Stateful is implemented by a service that leaves bytes to the service of the
// same name in its successor: session ticket keys, counters, a cache's index.
// They travel through memory only, never through the environment or a file.
type Stateful interface {
	// State is called in the process that is asked to restart, before the
	// successor starts and while this one goes on serving. An error makes the
	// restart fail. The bytes may be at most 64 MiB.
	State() ([]byte, error)

	// Restore is called in the successor, in the course of Add, with what
	// State returned there. It is not called when there is nothing to restore,
	// as on a cold start. An error makes Add fail.
	Restore(state []byte) error
}

// An Adopter takes live connections that the service of the same name in the
// predecessor has handed over, see [Handover].
type Adopter interface {
	// Adopt takes c, whose reading position and everything below net.Conn is
	// as the predecessor left it, and the bytes of state that came with it. It
	// must not block: it is called for one connection after another. After an
	// error the connection still belongs to the caller: the predecessor keeps
	// it.
	//
	// Adopt may be called as soon as Serve accepts, and from then on at any
	// time, also during Shutdown.
	Adopt(c net.Conn, state []byte) error
}

// A Logging service logs where the Restarter logs. Package example.com/restart/http,
// tcp and grpcadapter have services that do, unless their Logger field is set.
type Logging interface {
	// SetLogger is called once, by Add, before anything else. The logger is
	// that of [Options.Logger] with the attributes generation, pid and listener.
	SetLogger(*slog.Logger)
}
