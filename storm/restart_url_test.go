package storm_test

import (
	"crypto/tls"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"example.com/restart/storm"
	"example.com/restart/storm/report"
)

// onlyURL is a server that answers GET for one path and host, and counts everything else.
type onlyURL struct {
	*httptest.Server
	strange atomic.Int64
}

func serveURL(t *testing.T, secure bool) *onlyURL {
	t.Helper()
	s := &onlyURL{}
	s.Server = httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodGet || r.URL.RequestURI() != "/some/path?a=b" || !strings.HasPrefix(r.Host, "localhost:") {
			s.strange.Add(1)
			http.Error(w, "not here", http.StatusNotFound)
			return
		}
		_, _ = w.Write([]byte("this server says nothing of itself"))
	}))
	if secure {
		s.TLS = &tls.Config{}
		s.EnableHTTP2 = true
		s.StartTLS()
	} else {
		s.Start()
	}
	t.Cleanup(s.Close)
	return s
}

func (s *onlyURL) config() storm.Config {
	c := gentle()
	c.URL = strings.Replace(s.URL, "127.0.0.1", "localhost", 1) + "/some/path?a=b"
	c.Restarts, c.Cooldown = 0, 500*time.Millisecond
	return c
}

func ran(r *report.Report) (names []string) {
	for _, c := range r.Classes {
		if c.Skipped == "" {
			names = append(names, c.Name)
		}
	}
	return names
}

// Any server can be put under load by GET.
func TestURLNeedsNothingButGet(t *testing.T) {
	for _, tt := range []struct {
		name   string
		secure bool
		want   []string
	}{
		{"http", false, []string{"busy", "idle", "fresh", "pipeline"}},
		{"https", true, []string{"busy", "idle", "fresh", "tls", "h2"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := serveURL(t, tt.secure)
			r := run(t, s.config())
			if got := ran(r); !slices.Equal(got, tt.want) {
				t.Errorf("classes: got %v, want %v", got, tt.want)
			}
			for _, c := range r.Classes {
				if c.Skipped == "" && c.Answered == 0 {
					t.Errorf("%s had no answer", c.Name)
				}
			}
			if r.Lost != 0 || r.Survived != r.Kept || r.Kept == 0 {
				t.Errorf("%d lost, %d of %d connections survived, want 0 and all of some", r.Lost, r.Survived, r.Kept)
			}
			if n := s.strange.Load(); n != 0 {
				t.Errorf("%d requests were no GET for the URL", n)
			}
		})
	}
}

// The command restarts; storm reports its failures, and claims nothing about processes.
func TestURLWithRestartCommand(t *testing.T) {
	s := serveURL(t, false)
	c := s.config()
	c.Restarts, c.Every = 2, 100*time.Millisecond
	mark := filepath.Join(t.TempDir(), "mark")
	c.RestartCommand = "mkdir " + mark // which fails the second time
	r := run(t, c)
	if len(r.Restarts) != 2 || r.Restarts[0].Failed != "" || r.Restarts[1].Failed == "" {
		t.Errorf("got %+v, want the first restart done and the second failed", r.Restarts)
	}
	for _, x := range r.Restarts {
		if x.OldPID != 0 || x.NewPID != 0 || x.FirstAnswer != 0 || x.Gone != 0 {
			t.Errorf("got %+v, want nothing of processes", x)
		}
	}
	if r.Restarting.Count == 0 || r.Steady.Count == 0 {
		t.Errorf("latencies: %d restarting and %d steady, want some of each", r.Restarting.Count, r.Steady.Count)
	}
	if len(r.Notes) != 1 {
		t.Errorf("notes: got %q, want one", r.Notes)
	}
}

// Without an answer there is no load, and the error says why.
func TestURLWithoutAnswer(t *testing.T) {
	s := serveURL(t, false)
	c := s.config()
	c.URL = strings.Replace(c.URL, "/some/path", "/other", 1)
	_, err := storm.Run(t.Context(), c)
	if err == nil || !strings.Contains(err.Error(), "GET /other?a=b: wrong answer: status 404") {
		t.Errorf("got %v, want the status of GET /other", err)
	}
}
