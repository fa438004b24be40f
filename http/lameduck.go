package restarthttp

import "net/http"

// BeginLameDuck implements [restart.LameDuck]: a Restarter calls it when the process
// is about to stop. From then on each HTTP/1 response says that the connection
// closes after it, so that the client's next request goes to a new connection, and
// by a load balancer to another server. HTTP/2 clients, and those whose connection
// a handler keeps, are told when the drain begins.
func (s *Server) BeginLameDuck() { s.lameDuck.Store(true) }

// sendAway is called before a handler writes its response. A request to upgrade
// is left alone: its handler needs the header, and would be told to close a
// connection that has just been opened.
func (r *run) sendAway(w http.ResponseWriter, req *http.Request) {
	if req.ProtoMajor != 1 || req.Header.Get("Upgrade") != "" {
		return
	}
	r.server.announced.Add(1)
	w.Header().Set("Connection", "close")
}
