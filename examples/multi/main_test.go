//go:build linux

package main

import (
	"bufio"
	"encoding/json"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"example.com/restart/examples/internal/exampletest"
)

func TestReadme(t *testing.T) { exampletest.Readme(t) }

func writeConfig(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

func pidIn(path string) int {
	b, _ := os.ReadFile(path)
	pid, _ := strconv.Atoi(strings.TrimSpace(string(b))) // 0 is nobody's
	return pid
}

// Three servers move together; a configuration that is wrong keeps them where
// they are; the PID file always names the one that serves.
func TestThreeServersOneRestart(t *testing.T) {
	dir := t.TempDir()
	conf, pidFile := filepath.Join(dir, "multi.json"), filepath.Join(dir, "multi.pid")
	const addrs = `"public": "127.0.0.1:0", "internal": "127.0.0.1:0", "clock": "127.0.0.1:0"`
	writeConfig(t, conf, `{"greeting": "hello", `+addrs+`}`)

	bin := exampletest.Build(t, "1")
	p := exampletest.Start(t, bin, "-config", conf, "-pidfile", pidFile)
	first := p.Serving(1, 3)
	p.Logged("public begins on " + first.Addr["public"])
	if got := pidIn(pidFile); got != first.PID {
		t.Errorf("PID file has %d, want %d", got, first.PID)
	}
	fresh := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	public := "http://" + first.Addr["public"]
	if got := exampletest.Get(t, fresh, public); !strings.HasPrefix(got.Body, "hello from version=1") {
		t.Errorf("public: got %q", got.Body)
	}
	listeners := exampletest.Get(t, fresh, "http://"+first.Addr["internal"])
	var status []struct{ Name string }
	if err := json.Unmarshal([]byte(listeners.Body), &status); err != nil || len(status) != 3 {
		t.Errorf("internal: got %q (%v), want three listeners", listeners.Body, err)
	}
	session, err := net.Dial("tcp", first.Addr["clock"])
	if err != nil {
		t.Fatal(err)
	}
	defer session.Close()
	lines := bufio.NewScanner(session)
	if !lines.Scan() || !strings.HasSuffix(lines.Text(), "from version=1 pid="+strconv.Itoa(first.PID)) {
		t.Fatalf("clock: got %q (%v)", lines.Text(), lines.Err())
	}

	// A wrong configuration: vetoed, nothing changes.
	exampletest.Replace(t, bin, "2")
	writeConfig(t, conf, `{"greeting": `)
	p.Signal(first.PID, syscall.SIGHUP)
	p.Logged("vetoed by a Before hook", conf)
	if got := exampletest.Get(t, fresh, public); !strings.HasPrefix(got.Body, "hello from version=1") {
		t.Errorf("after the veto: got %q", got.Body)
	}

	// A good one.
	writeConfig(t, conf, `{"greeting": "good day", `+addrs+`}`)
	p.Signal(first.PID, syscall.SIGHUP)
	second := p.Serving(2, 3)
	for name, addr := range first.Addr {
		if got := second.Addr[name]; got != addr {
			t.Errorf("%s is bound to %s, want %s as before", name, got, addr)
		}
	}
	p.Logged("process " + strconv.Itoa(second.PID) + " took over")
	exampletest.Until(t, "version 2 answers", func() bool {
		return strings.HasPrefix(exampletest.Get(t, fresh, public).Body, "good day from version=2")
	})
	if got := pidIn(pidFile); got != second.PID {
		t.Errorf("PID file has %d, want %d", got, second.PID)
	}
	last := ""
	for lines.Scan() {
		last = lines.Text()
	}
	if lines.Err() != nil || last != "bye" {
		t.Errorf("clock: ended by %v after %q, want it to say bye", lines.Err(), last)
	}
	p.Exit()

	p.Signal(second.PID, syscall.SIGTERM)
	p.Gone(second.PID)
	for _, addr := range second.Addr {
		exampletest.Refused(t, addr)
	}
	if _, err := os.Stat(pidFile); !os.IsNotExist(err) {
		t.Errorf("the PID file is still there: %v", err)
	}
}
