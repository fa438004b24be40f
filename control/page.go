package control

import (
	"bytes"
	_ "embed"
	"fmt"
	"html/template"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"time"

	"example.com/restart"
)

//go:embed page.html
var pageHTML string

var page = template.Must(template.New("page").Funcs(template.FuncMap{
	"ago":     ago,
	"elapsed": elapsed,
	"share":   share,
	"clock":   func(t time.Time) string { return t.UTC().Format("2006-01-02 15:04:05 UTC") },
}).Parse(pageHTML))

// A pageData is what the status page shows.
type pageData struct {
	Status
	Now      time.Time
	Program  string
	Restarts []Attempt // newest first
}

// StatusPage returns a handler that shows generations, listeners, connections and
// the last restarts to a person. It only reads, has no scripts and loads nothing,
// so it can be mounted in any mux; who may see it is the operator's decision. The
// control socket has it at "/".
func (s *Service) StatusPage() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodGet && r.Method != http.MethodHead {
			w.Header().Set("Allow", "GET, HEAD")
			http.Error(w, "the status page answers GET and HEAD only", http.StatusMethodNotAllowed)
			return
		}
		data := pageData{Status: s.status(), Now: time.Now(), Program: programName()}
		data.Restarts = data.Status.Restarts
		slices.Reverse(data.Restarts)
		var b bytes.Buffer
		if err := page.Execute(&b, data); err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		h := w.Header()
		h.Set("Content-Type", "text/html; charset=utf-8")
		h.Set("Cache-Control", "no-store")
		h.Set("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'")
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Referrer-Policy", "no-referrer")
		_, _ = w.Write(b.Bytes())
	})
}

// Accepting reports whether this process accepts connections.
func (d pageData) Accepting() bool {
	return d.State == restart.StateServing || d.State == restart.StateRestarting
}

// ago says how long a moment lies back, as people say it.
func ago(now, t time.Time) string {
	if t.IsZero() {
		return "unknown"
	}
	d := now.Sub(t)
	switch {
	case d < time.Second:
		return "just now"
	case d < time.Minute:
		return fmt.Sprintf("%d s ago", int(d.Seconds()))
	case d < time.Hour:
		return fmt.Sprintf("%d min %d s ago", int(d.Minutes()), int(d.Seconds())%60)
	case d < 24*time.Hour:
		return fmt.Sprintf("%d h %d min ago", int(d.Hours()), int(d.Minutes())%60)
	}
	return fmt.Sprintf("%d d %d h ago", int(d.Hours())/24, int(d.Hours())%24)
}

// elapsed shows a time with three digits or so.
func elapsed(s Seconds) string {
	d := time.Duration(s)
	switch {
	case d < time.Millisecond:
		return d.Round(time.Microsecond).String()
	case d < time.Second:
		return d.Round(100 * time.Microsecond).String()
	}
	return d.Round(10 * time.Millisecond).String()
}

// share returns how much of a restart a phase took, in percent.
func share(p PhaseTime, phases []PhaseTime) string {
	var all Seconds
	for _, q := range phases {
		all += q.Elapsed
	}
	if all == 0 {
		return "0"
	}
	return fmt.Sprintf("%.1f", 100*float64(p.Elapsed)/float64(all))
}

func programName() string { return filepath.Base(os.Args[0]) }
