//go:build linux

package restarthttp_test

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"syscall"
	"testing"
	"time"

	"example.com/restart/internal/proctest"
)

// probe asks over a connection that is kept open, and returns what was answered.
func (c *raw) probe(t *testing.T, path string) (answer string, closes bool) {
	t.Helper()
	c.SetDeadline(time.Now().Add(proctest.Patience))
	fmt.Fprintf(c, "GET %s HTTP/1.1\r\nHost: x\r\n\r\n", path)
	resp, err := http.ReadResponse(c.br, nil)
	if err != nil {
		t.Fatal(err)
	}
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return fmt.Sprint(resp.StatusCode, " ", strings.TrimSpace(string(body))), resp.Close
}

func (c *raw) wantProbe(t *testing.T, path, want string) {
	t.Helper()
	if got, _ := c.probe(t, path); got != want {
		t.Errorf("%s: got %q, want %q", path, got, want)
	}
}

// lameDuck waits until the process of addr says that it is one.
func lameDuck(t *testing.T, addr string) {
	t.Helper()
	for bound := time.Now().Add(proctest.Patience); ; {
		c := dial(t, addr)
		got, _ := c.probe(t, "/readyz")
		c.Close()
		switch {
		case got == "503 not ready: lameduck":
			return
		case got != "200 ready":
			t.Fatalf("got %q", got)
		case time.Now().After(bound):
			t.Fatal("it is ready for ever")
		}
	}
}

// Checks over a connection that is kept open reach the old process in a restart:
// it must not look unready. In a stop they must learn of it at once.
func TestProbesThroughARestartAndAStop(t *testing.T) {
	f, g := start(t, "probed", 1, "TEST_LAMEDUCK=1h")
	addr := g.Addr["web"]
	kept := dial(t, addr)
	kept.wantProbe(t, "/readyz", "200 ready")
	kept.wantProbe(t, "/livez", "200 live")

	next := f.Restart(g)
	f.Wait(1, "replaced, draining", fmt.Sprintf("pid=%d ", g.PID))
	kept.wantProbe(t, "/readyz", "200 ready") // of the old process: the connection stays there
	kept.Close()
	f.WaitExit(g.PID)

	fresh := dial(t, addr)
	fresh.wantProbe(t, "/readyz", "200 ready")
	f.Signal(next.PID, syscall.SIGTERM)
	lameDuck(t, addr)
	if got, closes := fresh.probe(t, "/readyz"); got != "503 not ready: lameduck" || !closes {
		t.Errorf("lame duck: got %q, closes %v; want 503 and that the connection closes", got, closes)
	}
	fresh = dial(t, addr)
	fresh.wantProbe(t, "/livez", "200 live")
	fresh = dial(t, addr)
	if _, closes, err := fresh.post(); err != nil || !closes {
		t.Errorf("lame duck: got %v, closes %v; want an answer and that the connection closes", err, closes)
	}
	f.Signal(next.PID, syscall.SIGINT)
	f.Wait(1, fmt.Sprintf("end pid=%d error=<nil>", next.PID))
	f.WaitEnd()
}
