// Package restart replaces a running network server by a new process, new
// binary and new configuration included, so that no client notices.
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
// Build it, start it, put a new binary in its place and send SIGHUP. A
// successor is started; it takes over the listening sockets; when it serves,
// the old process stops accepting, finishes what it had begun, hands over the
// connections that can move, and Run returns. Each of these processes is a
// generation.
//
// Programs that serve HTTP only need less: package example.com/restart/http has
// a ListenAndServe like that of net/http.
//
// # Signals
//
// From New on SIGHUP is caught, from Run on the others:
//
//	SIGHUP           restart
//	SIGINT, SIGTERM  drain and stop; a second SIGINT ends the drain by force
//	SIGUSR2          end a drain by force; otherwise only logged
//	SIGUSR1, others  taken only if a hook asks for it
//
// Hooks run before and after what a signal does, see [Restarter.Before]. An
// error from a Before hook keeps the signal from doing anything. SIGHUPs that
// come during a restart are one: they are acted upon when it has ended, by the
// successor if it succeeded. Signals are given back when Run returns.
//
// A successor that has not taken over yet ends at SIGTERM. A process that was
// replaced and drains ignores further SIGHUPs: send them to the successor, whose
// PID is in [Options.PIDFile].
//
// # Readiness
//
// A successor is ready when every service that was added has called Accept, and
// everything it inherited was claimed or, with [Options.SettleTime], the time
// for that is over. Accept blocks until the predecessor lets go. So what must be
// done before the program can serve is done before Run, or in the service before
// its first Accept. Until then the predecessor serves. If the successor fails,
// or takes longer than [Options.ReadyTimeout], it is killed, and the predecessor
// serves on.
//
// For a moment, between the successor's first Accept and the predecessor's
// last, both accept from one queue; each connection goes to one of them.
//
// # Sockets
//
// A listener is known by the name that [Restarter.Add] gets. A successor claims
// the inherited socket of that name if its address is the same, binds anew if
// the address has changed, and closes what it does not claim. Wrappers around a
// listener, such as TLS or the PROXY protocol, are not inherited: each
// generation puts its own around what Serve gets.
//
// Besides these and standard input, output and error no descriptor is passed
// on, and processes that the program starts for its own ends inherit none of the
// sockets.
//
// # Draining
//
// When a process was replaced or stops, it drains: it stops accepting, calls
// Shutdown of all services at once, waits until every connection that was
// accepted is closed or handed over, and closes by force what is left after
// [Options.HammerTime]. A process that stops for good first accepts the
// connections that the kernel has queued. Work that a service does without a
// connection is the service's to wait for, in its Shutdown.
//
// Several generations may drain at once, up to [Options.MaxDraining]. Work that
// only one process may do, such as a timer that sends mail, waits for
// [Restarter.Alone]. [Status] lists the generations that still live.
//
// # Live connections and state
//
// A service may hand connections over instead of finishing them: the context
// of its Shutdown carries the way, see [HandoverFrom], and the service of the
// same name in the successor gets them by [Adopter]. Bytes that a successor
// needs from the start travel by [Stateful].
//
// # Errors
//
// [Restarter.Restart] returns nil when the successor serves. Otherwise nothing
// has changed: a sentinel says why nothing was tried, and a [*RestartError] how
// far it came, with the exit status and the last words of the successor. The
// next attempt starts from the beginning and looks the program up again.
//
// [Restarter.Run] returns nil in good order. The library never ends the process
// itself: main should return when Run does.
//
// # Platforms
//
// A process can be replaced on Linux. Elsewhere the same programs build and
// serve, drain on SIGINT and SIGTERM, and Restart returns [ErrUnsupported].
//
// A program started by "go run" cannot be restarted, since its binary is gone by
// then. A supervisor that watches the PID it started, and a container whose
// first process this is, see it end at the first restart: docs/operations.md
// says which need care.
package restart
