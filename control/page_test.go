//go:build linux

package control

import (
	"bytes"
	"context"
	"errors"
	"image/png"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"example.com/restart"
)

// busyService has something of everything that the page shows.
func busyService() *Service {
	p := newFakeProcess()
	p.status.Version, p.status.Since = "v1.4.2", time.Now().Add(-3*time.Minute)
	p.status.Listeners = []restart.ListenerStatus{
		{Name: "web", Network: "tcp", Address: "127.0.0.1:8080", Inherited: true, Connections: 214},
		{Name: "control", Network: "unix", Address: "/run/myserver.sock", Inherited: true, Connections: 1},
	}
	p.status.Draining = []restart.Earlier{
		{Generation: 1, PID: 4242, Version: "v1.4.0", Since: time.Now().Add(-50 * time.Hour), Connections: -1},
		{Generation: 2, PID: 4500, Version: "v1.4.1", Since: time.Now().Add(-2 * time.Hour), Connections: 3},
	}
	p.status.LastError = errors.New(`<script>alert("no such key")</script>`)
	s := newService(p)
	begun := time.Now().Add(-4 * time.Minute)
	event := func(kind restart.EventKind, phase restart.Phase, elapsed time.Duration, err error) {
		p.observer(restart.Event{Kind: kind, Time: begun, Generation: 2, Phase: phase, Elapsed: elapsed, Err: err, Successor: 4711})
	}
	event(restart.EventFailed, 0, 0, p.status.LastError)
	begun = begun.Add(time.Minute)
	event(restart.EventRestarting, 0, 0, nil)
	for phase := restart.PhaseHooks; phase <= restart.PhaseGo; phase++ {
		event(restart.EventPhase, phase, time.Duration(phase+1)*3*time.Millisecond, nil)
	}
	event(restart.EventReplaced, 0, 61*time.Millisecond, nil)
	return s
}

// The page shows what is to be seen, escapes what others have written, and loads
// nothing.
func TestStatusPage(t *testing.T) {
	w := httptest.NewRecorder()
	busyService().StatusPage().ServeHTTP(w, httptest.NewRequest("GET", "/debug/restart", nil))
	body := w.Body.String()
	for _, want := range []string{
		"Generation 3, process 4711, version v1.4.2", "127.0.0.1:8080", "214", "4500", "2 d 2 h ago", "unknown",
		"&lt;script&gt;", "replaced", "61ms", "prepare 6ms", "go 18ms",
	} {
		if !strings.Contains(body, want) {
			t.Errorf("the page does not show %q", want)
		}
	}
	for _, bad := range []string{"<script", "<link", "<img", "src=", "href=", "url(", "http:", "https:"} {
		if strings.Contains(body, bad) {
			t.Errorf("the page has %q", bad)
		}
	}
	if got := w.Header().Get("Content-Security-Policy"); !strings.HasPrefix(got, "default-src 'none'") {
		t.Errorf("got policy %q", got)
	}
	w = httptest.NewRecorder()
	busyService().StatusPage().ServeHTTP(w, httptest.NewRequest("POST", "/", nil))
	if w.Code != http.StatusMethodNotAllowed {
		t.Errorf("POST: got %d", w.Code)
	}
}

// TestStatusPageInChromium keeps its pictures in $STATUS_PAGE_PICTURES, if that is
// set.
func TestStatusPageInChromium(t *testing.T) {
	chromium, err := exec.LookPath("chromium")
	if err != nil {
		t.Skip("chromium is not installed: only the HTML of the status page is tested")
	}
	var mu sync.Mutex
	var loaded []string
	page := busyService().StatusPage()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		loaded = append(loaded, r.URL.Path)
		mu.Unlock()
		page.ServeHTTP(w, r)
	}))
	defer server.Close()
	pictures := os.Getenv("STATUS_PAGE_PICTURES")
	if pictures == "" {
		pictures = t.TempDir()
	}
	browse := func(args ...string) []byte {
		t.Helper()
		ctx, cancel := context.WithTimeout(t.Context(), 2*patience)
		defer cancel()
		cmd := exec.CommandContext(ctx, chromium, append([]string{
			"--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
			"--disable-component-update", "--disable-sync", "--hide-scrollbars", "--user-data-dir=" + t.TempDir(),
		}, append(args, server.URL+"/status/")...)...)
		var stderr bytes.Buffer
		cmd.Stderr = &stderr
		out, err := cmd.Output()
		if err != nil {
			t.Fatalf("%v: %s", err, stderr.String())
		}
		return out
	}

	dom := string(browse("--dump-dom"))
	if !strings.Contains(dom, `<td>127.0.0.1:8080</td>`) || strings.Contains(dom, "<script") {
		t.Errorf("got %s", dom)
	}
	for name, size := range map[string]string{"wide": "1280,1000", "narrow": "420,900"} {
		file := filepath.Join(pictures, name+".png")
		browse("--window-size="+size, "--screenshot="+file)
		f, err := os.Open(file)
		if err != nil {
			t.Fatal(err)
		}
		picture, err := png.Decode(f)
		f.Close()
		if err != nil {
			t.Fatal(err)
		}
		colours := make(map[[3]uint32]bool)
		for x := range picture.Bounds().Dx() {
			for y := range picture.Bounds().Dy() {
				r, g, b, _ := picture.At(x, y).RGBA()
				colours[[3]uint32{r, g, b}] = true
			}
		}
		if len(colours) < 20 {
			t.Errorf("%s: the picture has only %d colours: the page is not drawn", name, len(colours))
		}
	}
	mu.Lock()
	defer mu.Unlock()
	for _, path := range loaded {
		if path != "/status/" && path != "/favicon.ico" {
			t.Errorf("the page loads %s", path)
		}
	}
}
