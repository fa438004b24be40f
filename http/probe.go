package restarthttp

import (
	"fmt"
	"net/http"

	"example.com/restart"
)

// ReadyHandler answers readiness checks: 200 while the service is available, see
// [restart.Status.Ready], and 503 before r's process serves and from the moment
// when it is to stop. A process that drains because it was replaced answers 200,
// so a check over a connection that it still has does not fail in a restart.
//
//	mux.Handle("GET /readyz", restarthttp.ReadyHandler(r))
//
// In a program that starts its servers with [Serve], r is that of [Default].
func ReadyHandler(r *restart.Restarter) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if s := r.Status(); !s.Ready {
			answerProbe(w, http.StatusServiceUnavailable, fmt.Sprintf("not ready: %v", s.State))
			return
		}
		answerProbe(w, http.StatusOK, "ready")
	})
}

// LiveHandler answers liveness checks: 200 if [restart.Restarter.Live] returns nil
// before the request's context ends, which the client's time-out does, and 503
// otherwise. It answers 200 while the process drains.
func LiveHandler(r *restart.Restarter) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		if err := r.Live(req.Context()); err != nil {
			answerProbe(w, http.StatusServiceUnavailable, "not live: "+err.Error())
			return
		}
		answerProbe(w, http.StatusOK, "live")
	})
}

func answerProbe(w http.ResponseWriter, status int, text string) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	fmt.Fprintln(w, text)
}
