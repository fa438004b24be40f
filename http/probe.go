package restarthttp

import (
	"fmt"
	"net/http"

	"example.com/restart"
)

// ReadyHandler returns a handler for readiness checks. It answers 200 while the
// service is available, see [restart.Status.Ready]. It answers 503 before r's
// process serves and as soon as that is about to stop. A process that was replaced
// answers 200 while it drains: a check over a connection that it still has must not
// fail in a restart.
//
//	mux.Handle("GET /readyz", restarthttp.ReadyHandler(r))
//
// In a program that starts its servers with [Serve], r is what [Default] returns.
func ReadyHandler(r *restart.Restarter) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if s := r.Status(); !s.Ready {
			answerProbe(w, http.StatusServiceUnavailable, fmt.Sprintf("not ready: %v", s.State))
			return
		}
		answerProbe(w, http.StatusOK, "ready")
	})
}

// LiveHandler returns a handler for liveness checks. It answers 200 if
// [restart.Restarter.Live] returns nil before the request's context ends, as it does
// when the client gives up, and 503 otherwise. A process that drains is live.
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
