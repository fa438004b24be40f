package restarthttp

import "net/http"

// BeginLameDuck implements [restart.LameDuck]: a Restarter calls it. From then on
// each response of HTTP/1 tells its client that the connection closes after it,
// so that the client's next request goes to whoever accepts its next connection.
// Clients of HTTP/2, WebSockets and other connections that a handler keeps are
// told when the drain begins.
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
