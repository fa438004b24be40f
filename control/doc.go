// Package control lets an operator, a deploy script or a supervisor ask a running
// program for a restart, and learn how it went.
//
//	r, err := restart.New(restart.Options{})
//	...
//	if _, err := control.Add(r, "/run/myserver.sock"); err != nil {
//		return err
//	}
//
// The program then has a Unix socket that speaks HTTP and JSON. The command
// restartctl uses it, curl can, and [Client] is for programs. docs/control.md in
// the repository describes each request.
//
// The socket's file has mode 0600 from the moment when it exists. Requests are
// answered only if they come from a process of the same user or of root; the
// kernel says who asks (SO_PEERCRED in unix(7); LOCAL_PEERCRED on macOS and
// FreeBSD).
//
// The socket moves to the successor like any other. So does the history of the
// last restarts, which [Service.StatusPage] shows.
//
// On other platforms the kernel does not say who asks: the socket is there, but every
// request is refused.
package control
