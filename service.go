package restart

import (
	"context"
	"log/slog"
	"net"
	"syscall"
)

// A Service serves the connections of one listener. An *http.Server is one as
// it stands; package example.com/restart/http has one that loses nothing, and
// example.com/restart/grpcadapter makes one of a *grpc.Server. [ServeOnce] helps
// to write one, package example.com/restart/servicetest tests it, and
// example.com/restart/restarttest tests a restart of it.
//
// Serve accepts from the listener until the listener is closed or Shutdown is
// called. Serve owns the listener and may close it; Run closes it in any case. A
// service counts as serving when Serve calls Accept for the first time: until
// then a successor is not ready. In a successor that call blocks until the process
// may accept, so a service needs to know nothing of generations. Accept may fail
// for a moment when descriptors run out (EMFILE), also while a successor starts; a
// service should try again, as net/http does.
//
// If Serve returns an error before Shutdown was called, Run drains the other
// services and returns that error. The exceptions are net.ErrClosed,
// http.ErrServerClosed and grpc.ErrServerStopped, which say that the service is
// done. An error from Serve after Shutdown was called is no failure.
//
// Shutdown is called once, from another goroutine, when the process drains. No
// new connection comes from the listener by then, and Accept blocks until the
// listener is closed. Shutdown may run before Serve; then it must not wait for
// Serve. Shutdown returns when the work in hand is finished. Its context ends
// when the drain is ended by force, [Options.HammerTime] or [Restarter.Hammer];
// Shutdown should then return, but nothing depends on that. The context's
// deadline is the end of HammerTime, so that a service can stop beginning work
// that it could not finish. The context also says whether another process serves
// the listener from now on, see [Replaced], and how connections can move there, see
// [HandoverFrom].
//
// A Service may do more. Each of these interfaces is optional:
//
//	[Stateful]     leaves bytes to the service of the same name in the successor
//	[StateMerger]  leaves what has changed since, when it has shut down
//	[Adopter]      takes live connections from the predecessor, see [Handover]
//	[KindAdopter]  says which kinds of connections it takes
//	[Announcer]    counts connections that were told to close
//	[LameDuck]     sends its clients elsewhere before the process stops
//	[Logging]      gets the Restarter's logger
//	[Preparer]     changes its socket before that is bound
//	[io.Closer]    is closed by the hammer, before the connections that are left
type Service interface {
	Serve(net.Listener) error
	Shutdown(context.Context) error
}

// A PacketService serves a datagram socket.
//
// ServePacket reads from the socket until Shutdown is called. The successor has
// the same socket and reads from it as soon as it has taken over, so for a short
// time both processes do. Each datagram reaches one of them. This does not work for
// a protocol that answers with state from an earlier datagram (QUIC).
//
// Shutdown must make ServePacket return. It should finish the work on what has been
// read, and read no more. Otherwise Shutdown, errors and the optional interfaces
// are those of a [Service].
type PacketService interface {
	ServePacket(net.PacketConn) error
	Shutdown(context.Context) error
}

// Stateful is implemented by a service that leaves bytes to the service of the
// same name in its successor: session ticket keys, a cache's index. They travel
// through memory only, never through the environment or a file.
//
// The old process goes on serving after State. What it changes then is lost
// unless the service is a [StateMerger] too.
type Stateful interface {
	// State is called in the old process, before the successor starts. An error
	// makes the restart fail. The bytes may be at most 64 MiB.
	State() ([]byte, error)

	// Restore is called in the successor, in the course of Add, with the bytes
	// that State returned. It is not called when there is nothing to restore,
	// as on a cold start. An error makes Add fail.
	Restore(state []byte) error
}

// A StateMerger is a [Stateful] service whose state changes while it serves:
// counters, sessions. The changes between State and the end of the drain go to
// the successor, so that none is lost.
type StateMerger interface {
	Stateful

	// LastState is called in the old process, once, when Shutdown has returned
	// and the service's connections are closed. It returns what has changed
	// since the last call of State, at most 64 MiB; nil if nothing has. An error
	// is logged.
	LastState() ([]byte, error)

	// MergeState is called in the successor, with the bytes that LastState
	// returned. The successor has been serving for some time then, up to
	// Options.HammerTime, so the changes must be added to its own. MergeState may
	// be called once for each earlier generation, also during Shutdown; never if
	// the old process is killed. An error is logged.
	MergeState(changes []byte) error
}

// An Adopter takes live connections that the service of the same name in the
// predecessor has handed over, see [Handover].
type Adopter interface {
	// Adopt takes the connection c and the bytes of state that came with it. The
	// next byte to read from c is the one after the last that the predecessor has
	// read, and socket options are as it left them. Adopt must not block: it is
	// called for one connection after another. After an error c still belongs to
	// the caller: the predecessor keeps it.
	//
	// Adopt may be called as soon as Serve accepts, and from then on at any
	// time, also during Shutdown.
	Adopt(c net.Conn, state []byte) error
}

// A KindAdopter is an [Adopter] that takes connections of several kinds: with TLS
// state, say, or in the middle of a session. The service chooses the names of the
// kinds. In the predecessor it asks by [Handover.Adopts] whether the successor takes
// a kind, before it prepares such a connection for the move. A connection whose kind
// the successor does not name stays in the old process. So programs built with
// different versions of a service replace each other, in both directions.
type KindAdopter interface {
	Adopter

	// AdoptedKinds returns the names of the kinds. Connections of the plain kind
	// need none. Up to 16 names of at most 64 bytes each are passed on. AdoptedKinds
	// is called once, when Serve has called Accept for the first time, and must not
	// block: the process is not ready before it returns.
	AdoptedKinds() []string
}

// An Announcer is a service that tells connections to close because they cannot
// move. [Restarter.Status] adds up the counts.
type Announcer interface {
	// Announced returns how many connections were told so far.
	Announced() int
}

// LameDuck is implemented by a service that can send its clients elsewhere while
// it still serves them, see [Options.LameDuck]. Those of packages
// example.com/restart/http and example.com/restart/grpcadapter do.
type LameDuck interface {
	// BeginLameDuck is called at most once, when the process is to stop, from a
	// goroutine of its own. The service goes on to accept and to serve. Shutdown
	// follows; it may be called before BeginLameDuck has returned, and at once.
	// BeginLameDuck may be called before Serve. It is not called when the process
	// is replaced, nor without Options.LameDuck.
	BeginLameDuck()
}

// Logging is implemented by a service that logs where the Restarter logs. The
// services of packages example.com/restart/http and tcp do, unless their Logger
// field is set.
type Logging interface {
	// SetLogger is called once, by Add, before anything else. The logger is
	// that of [Options.Logger] with the attributes generation, pid and listener.
	SetLogger(*slog.Logger)
}

// A Preparer is a service whose socket needs something before it is bound:
// an option, or the mode of a Unix socket's file.
type Preparer interface {
	// PrepareSocket is called by Add with a new socket that is not bound yet. It
	// is like the Control function of [Options.ListenConfig], and is called after
	// that. It is not called for an inherited socket. An error makes Add fail.
	PrepareSocket(network, address string, c syscall.RawConn) error
}
