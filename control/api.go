package control

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"example.com/restart"
)

func (s *Service) handler() http.Handler {
	mux := http.NewServeMux()
	mux.Handle("GET /{$}", s.StatusPage())
	mux.HandleFunc("GET /status", s.getStatus)
	mux.HandleFunc("POST /restart", s.postRestart)
	mux.HandleFunc("POST /cancel", s.postCancel)
	mux.HandleFunc("POST /undo", s.postUndo)
	mux.HandleFunc("POST /stop", s.postStop)
	mux.HandleFunc("POST /hammer", s.postHammer)
	return onlyOwner(bodyFirst(mux))
}

// bodyFirst reads the body, which must be short, before next is called: only then does
// net/http notice that a client goes away. It also removes the read deadline, which
// would end a long wait.
func bodyFirst(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if _, err := io.Copy(io.Discard, http.MaxBytesReader(w, r.Body, maxBody)); err != nil {
			answer(w, http.StatusRequestEntityTooLarge, &Error{Code: CodeBadRequest, Text: "read the request: " + err.Error()})
			return
		}
		if err := http.NewResponseController(w).SetReadDeadline(time.Time{}); err != nil {
			answer(w, http.StatusInternalServerError, &Error{Code: CodeRefused, Text: err.Error()})
			return
		}
		next.ServeHTTP(w, r)
	})
}

// answer writes v as JSON. An encoding error would be a bug of this package, and
// a failed write has nobody to hear of it.
func answer(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	encoder := json.NewEncoder(w)
	encoder.SetEscapeHTML(false)
	_ = encoder.Encode(v)
}

func badRequest(w http.ResponseWriter, err error) {
	answer(w, http.StatusBadRequest, &Error{Code: CodeBadRequest, Text: err.Error()})
}

func (s *Service) status() Status { return newStatus(s.process.Status(), s.history.list()) }

func (s *Service) getStatus(w http.ResponseWriter, _ *http.Request) {
	answer(w, http.StatusOK, s.status())
}

// params takes the known parameters of a query. Any other is an error: a restart
// with a mistyped option is not what was asked for.
func params(r *http.Request, known ...string) (map[string]string, error) {
	query, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return nil, fmt.Errorf("parse the query: %w", err)
	}
	values := make(map[string]string)
	for _, name := range known {
		values[name] = query.Get(name)
		delete(query, name)
	}
	for name := range query {
		return nil, fmt.Errorf("unknown parameter %q: %s knows %q", name, r.URL.Path, known)
	}
	return values, nil
}

// oneOf checks a value against those that a parameter may have. The first is the
// default.
func oneOf(name, value string, allowed ...string) (string, error) {
	if value == "" {
		return allowed[0], nil
	}
	for _, a := range allowed {
		if value == a {
			return value, nil
		}
	}
	return "", fmt.Errorf("%s=%q is not one of %q", name, value, allowed)
}

// completeStopped completes the answer of a process that drains, and returns its
// status. A successor can be asked instead, on the same path: "Retry-After" and 503
// make curl --retry do so.
func (s *Service) completeStopped(w http.ResponseWriter, e *Error) int {
	w.Header().Set("Connection", "close") // the next request must find the successor
	st := s.process.Status()
	if st.Successor == 0 {
		e.Text = fmt.Sprintf("process %d stops: nothing can be asked of it any more", st.PID)
		return http.StatusConflict
	}
	w.Header().Set("Retry-After", "1")
	e.Code, e.Successor = CodeReplaced, st.Successor
	e.Text = fmt.Sprintf("process %d is replaced by process %d: ask again, and that one answers", st.PID, st.Successor)
	return http.StatusServiceUnavailable
}

// refuseReplaced answers a request that only the successor can do, and reports
// whether that was so.
func (s *Service) refuseReplaced(w http.ResponseWriter) bool {
	if s.process.Status().Successor == 0 {
		return false
	}
	e := new(Error)
	answer(w, s.completeStopped(w, e), e)
	return true
}

func (s *Service) postCancel(w http.ResponseWriter, r *http.Request) {
	if _, err := params(r); err != nil {
		badRequest(w, err)
		return
	}
	if s.refuseReplaced(w) {
		return
	}
	if !s.process.CancelRestart() {
		answer(w, http.StatusConflict, &Error{Code: CodeRefused, Text: "no restart is under way"})
		return
	}
	answer(w, http.StatusOK, map[string]bool{"canceled": true})
}

// postUndo undoes the restart whose probation lasts. The request comes to the
// successor, which gives back.
func (s *Service) postUndo(w http.ResponseWriter, r *http.Request) {
	p, err := params(r, "reason")
	if err != nil {
		badRequest(w, err)
		return
	}
	reason := p["reason"]
	if reason == "" {
		reason = "asked for by the control socket"
	}
	if err := s.process.Undo(reason); err != nil {
		answer(w, http.StatusConflict, &Error{Code: CodeRefused, Text: err.Error()})
		return
	}
	answer(w, http.StatusOK, map[string]bool{"undone": true})
}

func (s *Service) postStop(w http.ResponseWriter, r *http.Request) {
	p, err := params(r, "wait")
	if err == nil {
		p["wait"], err = oneOf("wait", p["wait"], "no", "drain")
	}
	if err != nil {
		badRequest(w, err)
		return
	}
	if s.refuseReplaced(w) {
		return
	}
	s.process.Shutdown()
	if p["wait"] == "drain" {
		<-s.process.Draining()
		s.follow(w, ProgressStopping, s.history.whenUndone())
		return
	}
	answer(w, http.StatusAccepted, map[string]bool{"stopping": true})
}

// postHammer ends drains by force: of the generation that is named, else of all
// earlier ones, and of this process if it drains itself.
func (s *Service) postHammer(w http.ResponseWriter, r *http.Request) {
	p, err := params(r, "generation")
	generation := 0
	if err == nil && p["generation"] != "" {
		if generation, err = strconv.Atoi(p["generation"]); err != nil || generation < 1 {
			err = fmt.Errorf("generation=%q is not a number from 1", p["generation"])
		}
	}
	if err != nil {
		badRequest(w, err)
		return
	}
	hammered, err := s.hammer(generation)
	if err != nil {
		answer(w, http.StatusConflict, &Error{Code: CodeRefused, Text: err.Error()})
		return
	}
	answer(w, http.StatusOK, map[string][]int{"hammered": hammered})
}

func (s *Service) hammer(generation int) ([]int, error) {
	st := s.process.Status()
	var hammered []int
	var errs []error
	for _, e := range st.Draining {
		if generation != 0 && e.Generation != generation {
			continue
		}
		if err := s.process.HammerEarlier(e.Generation); err != nil {
			errs = append(errs, err)
		} else {
			hammered = append(hammered, e.Generation)
		}
	}
	if st.State == restart.StateDraining && (generation == 0 || generation == st.Generation) {
		s.process.Hammer()
		hammered = append(hammered, st.Generation)
	}
	switch {
	case len(errs) > 0:
		return nil, errors.Join(errs...)
	case len(hammered) == 0 && generation == 0:
		return nil, errors.New("nothing drains")
	case len(hammered) == 0:
		return nil, fmt.Errorf("generation %d does not drain", generation)
	}
	return hammered, nil
}
