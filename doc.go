// Package restart replaces a running server process by a new one, with a new
// binary and a new configuration, so that no client notices.
//
//	func main() {
//		r, err := restart.New(restart.Options{})
//		if err != nil {
//			log.Fatal(err)
//		}
//		server := restarthttp.Wrap(&http.Server{Handler: handler})
//		if _, err := r.Add("web", "tcp", ":8080", server); err != nil {
//			log.Fatal(err)
//		}
//		if err := r.Run(context.Background()); err != nil {
//			log.Fatal(err)
//		}
//	}
//
// Build this program and start it. Put a new binary in its place and send
// SIGHUP. The old process starts a successor, which takes over the listening
// sockets. When the successor serves, the old process stops accepting, finishes
// its work, hands over the connections that can move, and Run returns. Each of
// these processes is a generation.
//
// Programs that serve only HTTP need less: package example.com/restart/http has
// functions Serve and ListenAndServe.
//
// # Signals
//
// New catches SIGHUP. Run catches the other signals:
//
//	SIGHUP           restart
//	SIGINT, SIGTERM  drain and stop; a second SIGINT ends the drain by force
//	SIGUSR2          end a drain by force; otherwise only logged
//	SIGUSR1, others  caught only if a hook asks for it
//
// Hooks run before and after the effect of a signal, see [Restarter.Before]. An
// error from a Before hook is a veto: the signal has no effect. The hooks of
// SIGHUP run for every restart, also for one that [Restarter.Restart] asks for.
// SIGHUPs that come during a restart count as one. It takes effect after the
// restart: in the successor if that serves, otherwise in this process. When Run
// returns, the signals have their default effects again.
//
// SIGTERM ends a successor that does not serve yet, and the old process serves
// on. Once the PID file names the successor, SIGTERM makes it stop as soon as it
// serves. A process that was replaced only logs further SIGHUPs. Send them to the
// successor, whose PID is in [Options.PIDFile].
//
// # Readiness
//
// A successor is ready when every service that was added has called Accept, and
// every inherited socket was claimed or the time for that, [Options.SettleTime],
// is over. Accept blocks until the predecessor lets go. The predecessor serves
// until then, so there is time to prepare: before Run, or in a service before its
// first Accept. If the successor fails, or takes longer than
// [Options.ReadyTimeout], it is killed and the predecessor serves on.
//
// Between the successor's first Accept and the predecessor's last, both accept
// from one queue for a moment. Each connection goes to one of them. That is over
// when [Restarter.Restart] returns nil in the predecessor.
//
// # Sockets
//
// The name given to [Restarter.Add] stands for a listener. A successor claims
// the inherited socket of that name if the address is the same. If the address
// has changed, it binds a new one. It closes inherited sockets that nobody
// claims. Wrappers around a listener, such as TLS or the PROXY protocol, are not
// inherited: each generation wraps the listener that Serve gets.
//
// A successor inherits these sockets and standard input, output and error, and
// no other descriptor. Other processes that the program starts inherit none of
// the sockets.
//
// # Draining
//
// A process drains when it was replaced or is to stop. It stops accepting and
// calls Shutdown of all services at once. It waits until every accepted
// connection is closed or handed over, and closes the rest by force after
// [Options.HammerTime]. A process that has no successor first accepts the
// connections that the kernel has queued. A service whose work is not tied to
// a connection must wait for that work in Shutdown. Handlers learn of the drain by
// [Draining].
//
// Several generations may drain at once, up to [Options.MaxDraining]. Work that
// only one process may do, such as a timer that sends mail, waits for
// [Restarter.Alone]. So does a program that opens a database with an exclusive
// lock: opened before Run, it would keep every successor from becoming ready.
// [Status] lists the earlier processes that still live.
//
// With [Options.LameDuck] a process that is to stop for good serves on for a while
// before it drains, so that load balancers and their clients can go elsewhere
// without losing anything. [Status.Ready] is what a readiness check asks, and
// [Restarter.Live] what a liveness check asks.
//
// # Live connections and state
//
// A service may hand connections over instead of finishing them. The context of
// its Shutdown carries a [Handover], see [HandoverFrom]. The service
// of the same name in the successor gets them if it is an [Adopter]. A [Stateful]
// service leaves bytes that its successor needs from the start. A [StateMerger]
// also sends, at the end of the drain, what has changed since.
//
// # Errors
//
// [Restarter.Restart] returns nil when the successor serves. After an error this
// process serves as before. A sentinel says why nothing was tried. A
// [*RestartError] says how far the restart came, and quotes the exit status and
// the last words of the successor. The next attempt starts from the beginning and
// looks the program up again.
//
// [Restarter.Run] returns nil when all went well. The library never ends the
// process: main should return when Run does.
//
// # Platforms
//
// A process can be replaced on Linux, and on macOS, FreeBSD, OpenBSD and NetBSD by
// a portable back end, which is tested on Linux (build tag restart_portable) and
// only compiled for the others. Systemd and the keeper are Linux only. On Windows
// the same programs build, serve, and drain on SIGINT and SIGTERM. Restart returns
// [ErrUnsupported] there.
//
// "go run" deletes its binary, so a program that it started cannot be restarted.
// A supervisor that watches the PID it started takes the first restart for the
// program's end, and a container ends with its PID 1: see docs/operations.md.
package restart
