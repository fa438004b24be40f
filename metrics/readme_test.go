//go:build linux

package metrics_test

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"example.com/restart"
	restarthttp "example.com/restart/http"
	"example.com/restart/metrics"
	"example.com/restart/restarttest"
)

var scrape = regexp.MustCompile(`(?m)^ {4}\$ (curl .*)\n((?: {4}[^$\s].*\n)+)`)

// The scrape in README.md shows what it says there: a good restart and a failed one,
// with 16 clients that stay and one that comes.
func TestReadmeScrape(t *testing.T) {
	if _, err := exec.LookPath("curl"); err != nil {
		t.Skipf("the documented command is not tried: %v", err)
	}
	b, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	m := scrape.FindStringSubmatch(string(b))
	if m == nil {
		t.Fatal("README.md has no scrape")
	}
	setup := func(r *restart.Restarter) error {
		registry := prometheus.NewRegistry()
		c := metrics.New(r)
		registry.MustRegister(c)
		scraped := restarthttp.Wrap(&http.Server{Handler: promhttp.HandlerFor(registry, promhttp.HandlerOpts{})})
		_, err := r.Add("metrics", "tcp", "127.0.0.1:0", c.Carry(scraped))
		if err == nil {
			_, err = r.Add("web", "tcp", "127.0.0.1:0", restarthttp.Wrap(&http.Server{}))
		}
		return err
	}
	p := restarttest.New(t, restart.Options{})
	first := p.Start(setup)
	for range 16 {
		visit(t, p.Addr("web"))
	}
	if _, err := p.Restart(func(*restart.Restarter) error { return errors.New("broken") }); err == nil {
		t.Fatal("got no error")
	}
	if _, err := p.Restart(setup); err != nil {
		t.Fatal(err)
	}
	if err := first.Wait(); err != nil {
		t.Fatal(err)
	}
	visit(t, p.Addr("web"))
	want := strings.ReplaceAll(m[2], "    ", "")
	command := strings.Replace(m[1], "127.0.0.1:9090", p.Addr("metrics"), 1)
	var got string
	defer func() {
		if t.Failed() {
			t.Logf("got\n%swant\n%s", got, want)
		}
	}()
	until(t, "what README.md shows", func() bool { // the last counts are on their way
		out, err := exec.Command("sh", "-c", command).Output()
		if err != nil {
			t.Fatal(err)
		}
		got = string(out)
		return got == want
	})
}

// README.md names all states, which TestServing finds as labels of restart_state.
func TestReadmeStates(t *testing.T) {
	b, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	var want []string
	for s := restart.StateNew; s <= restart.StateStopped; s++ {
		want = append(want, "`"+s.String()+"`")
	}
	if list := "(" + strings.Join(want, ", ") + ")"; !strings.Contains(string(b), list) {
		t.Errorf("README.md lacks the states %s", list)
	}
}

// visit makes a request on a connection of its own, which stays open.
func visit(t *testing.T, address string) {
	t.Helper()
	c, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	const end = "\r\n\r\n404 page not found\n"
	if _, err := fmt.Fprint(c, "GET / HTTP/1.1\r\nHost: web\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	for answer := ""; !strings.HasSuffix(answer, end); {
		buf := make([]byte, 512)
		n, err := c.Read(buf)
		if err != nil && err != io.EOF || n == 0 {
			t.Fatalf("got %q, %v", answer, err)
		}
		answer += string(buf[:n])
	}
}
