// Package endpoints has the endpoints that storm asks for, as a handler for net/http.
//
// A server in any language can offer the same: README.md of this module lists them. This handler is for test servers and
// examples.
package endpoints

import (
	"fmt"
	"io"
	"net/http"
	"os"
	"strconv"
	"time"
)

const (
	mostDownload = 4 << 30
	mostEcho     = 1 << 20
	mostSlow     = 5 * time.Minute
)

// Handler returns a handler with all endpoints but /ws/count, for a server whose WebSockets end with their process. The header
// Served-By of each answer, and the body of GET /, name the version and the process that answered.
func Handler(version string) http.Handler { return Hooks{}.Handler(version) }

// Handler is the function of this name for a server that does more for WebSockets. With Keep there is /ws/count too.
func (h Hooks) Handler(version string) http.Handler {
	me := fmt.Sprintf("version=%s pid=%d", version, os.Getpid())
	body := "hello from " + me + "\n"
	files := &content{}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		_, _ = io.WriteString(w, body)
	})
	mux.HandleFunc("POST /echo", serveEcho)
	mux.HandleFunc("GET /slow", serveSlow)
	mux.HandleFunc("GET /download", files.serve)
	mux.HandleFunc("GET /ws", h.echo)
	if h.Keep != nil {
		mux.HandleFunc("GET /ws/count", h.count)
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Served-By", me)
		mux.ServeHTTP(w, r)
	})
}

func serveEcho(w http.ResponseWriter, r *http.Request) {
	b, err := io.ReadAll(http.MaxBytesReader(w, r.Body, mostEcho))
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	w.Header().Set("Content-Type", "application/octet-stream")
	_, _ = w.Write(b)
}

func serveSlow(w http.ResponseWriter, r *http.Request) {
	d, err := time.ParseDuration(r.URL.Query().Get("d"))
	if err != nil || d < 0 || d > mostSlow {
		http.Error(w, "d must be a duration of at most "+mostSlow.String(), http.StatusBadRequest)
		return
	}
	select {
	case <-time.After(d):
		_, _ = io.WriteString(w, "done\n")
	case <-r.Context().Done():
	}
}

func (c *content) serve(w http.ResponseWriter, r *http.Request) {
	n, err := strconv.ParseInt(r.URL.Query().Get("n"), 10, 64)
	if err != nil || n < 0 || n > mostDownload {
		http.Error(w, "n must be a number of bytes", http.StatusBadRequest)
		return
	}
	f, err := c.open(n)
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	defer f.Close()
	w.Header().Set("Content-Type", "application/octet-stream")
	w.Header().Set("Content-Length", strconv.FormatInt(n, 10))
	// net/http sends a limited reader around an *os.File with sendfile(2).
	_, _ = io.CopyN(w, f, n)
}
