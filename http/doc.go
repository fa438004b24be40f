// Package restarthttp serves HTTP in a program that can be restarted so that no
// client notices. One changed import makes one of a program that calls
// http.ListenAndServe.
//
// The process is replaced on SIGHUP: a new one is started, takes over the
// sockets, and the old one finishes what it had begun. How that works is told in
// package example.com/restart.
//
// # Starting servers
//
// [Serve] starts one server or several and returns nil when the process was
// replaced or stopped in good order. [ListenAndServe] and [ListenAndServeTLS]
// keep the contract of net/http: they never return nil, and after good order
// they return [http.ErrServerClosed].
//
// All servers that are started so share one [restart.Restarter], see [Default],
// and so one restart. Other services of the program, such as those of package
// example.com/restart/tcp, must be added to the same Restarter: with two of them
// in a process nothing can be restarted. A program with a Restarter of its own
// adds a [Server] to it as it adds any other [restart.Service].
//
// # Connections
//
// Connections of HTTP/1 without TLS move to the new process, open, as soon as
// they wait for a request. Their clients notice nothing: RemoteAddr stays, only
// what the program keeps of a connection in memory (ConnContext) is made anew.
// The time-outs of net/http hold on: IdleTimeout, or ReadHeaderTimeout before the
// first request, in the new process's value or what is left of the old one's,
// whichever is shorter.
//
// Connections of HTTP/1 with TLS move too if [Server.MoveTLS] is set in both
// processes; docs/connections.md lists which. Other connections with TLS, and
// those with HTTP/2, cannot move. Their clients are told to come
// back, by "Connection: close" or GOAWAY, one after another. Until then and for
// [Server.Linger] they are served by the old process. With HTTP/2 the GOAWAY that
// names the last stream is sent when the client has answered a first one (RFC
// 9113, section 6.8), so that a request on its way is answered.
//
// A connection that a handler keeps for long, a WebSocket, an event stream or a
// long poll, moves if the handler asks for that by [Keep]. Otherwise it is the
// handler's to end. It learns of the drain by [restart.Draining]; for each
// connection that is at another moment within the linger time, so that not all
// clients come back at once.
//
// [ReadyHandler] and [LiveHandler] answer the checks of load balancers and
// orchestrators. With [restart.Options.LameDuck] a server that is to stop sends
// away its clients of HTTP/1 while it still serves them.
package restarthttp
