// Package restarthttp serves HTTP in a program that can be restarted so that no
// client notices. It replaces the calls of [http.ListenAndServe] in an existing
// program.
//
// SIGHUP replaces the process: a new one starts and takes over the sockets, and the
// old one finishes the requests that have begun. Package example.com/restart
// explains how.
//
// # Starting servers
//
// [Serve] starts one or more servers and returns nil when the process was replaced
// or stopped in good order. [ListenAndServe] and [ListenAndServeTLS] keep the
// contract of net/http: they never return nil, and after a good end they return
// [http.ErrServerClosed].
//
// All servers started in these ways share one [restart.Restarter], which [Default]
// returns, and restart together. Add the other services of the program, such as
// those of package example.com/restart/tcp, to the same Restarter: a process with
// two of them cannot restart. A program with a Restarter of its own adds a
// [Server] to it like any other [restart.Service].
//
// # Connections
//
// HTTP/1 connections without TLS move to the new process, and stay open, as soon as
// they wait for a request. Their clients notice nothing, and RemoteAddr stays the
// same. What the program attaches to a connection by ConnContext is made anew. The
// time-outs of net/http still apply: IdleTimeout, or ReadHeaderTimeout before the
// first request. A move does not extend them: the wait ends after the new process's
// time-out or after what was left of the old one's, whichever comes first.
//
// HTTP/1 connections with TLS move too if [Server.MoveTLS] is set in both processes;
// docs/connections.md lists which. Other connections with TLS, and HTTP/2
// connections, cannot move. Their clients are told to reconnect, by "Connection:
// close" or GOAWAY, one after another. The old process serves them until then, and
// for [Server.Linger] afterwards. With HTTP/2 it sends the GOAWAY that names the
// last stream only when the client has answered a first one (RFC 9113, section
// 6.8), so that requests on their way are answered.
//
// A connection that a handler keeps for long (a WebSocket, an event stream, a long
// poll) moves if the handler calls [Keep]. Otherwise the handler must end it.
// [restart.Draining] tells it when, at a different moment for each connection
// within the linger time, so that not all clients come back at once.
//
// # Health checks
//
// [ReadyHandler] and [LiveHandler] answer the checks of load balancers and
// orchestrators. With [restart.Options.LameDuck] a server that is about to stop
// sends its HTTP/1 clients away while it still serves them.
package restarthttp
