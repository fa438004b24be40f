package bench

import (
	"bytes"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestEveryRoundHasEachServerOnce(t *testing.T) {
	for round := range 4 {
		seen := map[int]bool{}
		for _, i := range order(round) {
			seen[i] = true
		}
		if len(seen) != servers {
			t.Errorf("round %d: got %v, want each once", round, order(round))
		}
	}
	if order(1) == order(2) {
		t.Error("the order does not turn around")
	}
}

func TestBenchBareAgainstBare(t *testing.T) {
	bare := buildBare(t)
	c := Default()
	c.A, c.B = bare+" -addr {addr}", bare+" -addr {addr}"
	c.Pairs, c.Time, c.Connections, c.DownloadSize = 6, 20*time.Millisecond, 4, 1<<20
	rep := bench(t, c)
	if len(rep.Rows) != 6 {
		t.Fatalf("got %d rows, want 6", len(rep.Rows))
	}
	// strace may be missing or forbidden here.
	if rep.NoCalls == "" && rep.CallsB["sendfile"] == 0 {
		t.Errorf("net/http sends a file without sendfile: %v", rep.CallsB)
	}
}

func TestBenchOverTLS(t *testing.T) {
	bare := buildBare(t)
	c := Default()
	c.A, c.B, c.TLS = bare+" -addr 127.0.0.1:0 -tls-addr {addr}", bare+" -addr 127.0.0.1:0 -tls-addr {addr}", true
	c.Pairs, c.Time, c.Connections, c.DownloadSize = 6, 20*time.Millisecond, 4, 0
	if rep := bench(t, c); len(rep.Rows) != 4 {
		t.Fatalf("got %d rows, want 4", len(rep.Rows))
	}
	c.B = bare + " -no-such-flag {addr}"
	if _, err := Run(t.Context(), c); err == nil || !strings.Contains(err.Error(), "ended before it answered") {
		t.Errorf("a server that does not start: got %v", err)
	}
}

func buildBare(t *testing.T) string {
	t.Helper()
	bare := filepath.Join(t.TempDir(), "bare")
	if out, err := exec.Command("go", "build", "-o", bare, "../testdata/bare").CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	return bare
}

// bench runs and checks that each turn has been measured.
func bench(t *testing.T, c Config) *Report {
	t.Helper()
	rep, err := Run(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range rep.Rows {
		if len(r.A) != c.Pairs || len(r.B) != c.Pairs {
			t.Errorf("%s, %s: got %v and %v, want %d of each", r.Name, r.Unit, r.A, r.B, c.Pairs)
		}
		for _, x := range []Ratio{r.Ratio, r.Noise} {
			if !(x.Low > 0 && x.Low <= x.Median && x.Median <= x.High) {
				t.Errorf("%s, %s: got %v, want a median within its interval", r.Name, r.Unit, x)
			}
		}
	}
	var b bytes.Buffer
	if err := rep.WriteTable(&b); err != nil || !strings.Contains(b.String(), "the noise") {
		t.Errorf("got %v and\n%s", err, b.String())
	}
	t.Log(b.String())
	return rep
}

func TestDecide(t *testing.T) {
	for _, tt := range []struct {
		unit           string
		ratio          Ratio
		failed, unsure bool
	}{
		{perRequest, Ratio{0.99, 0.98, 1}, false, false},
		{perConnection, Ratio{0.97, 0.96, 0.979}, true, false},
		{perRequest, Ratio{0.99, 0.97, 1}, false, true},
		{perRequest, Ratio{0.97, 0.96, 0.98}, false, true},
		{"CPU µs/request", Ratio{2, 2, 2}, false, false}, // more is worse
		{"MiB/s", Ratio{0.5, 0.5, 0.5}, false, false},
	} {
		rep := &Report{Rows: []Row{{Name: "x", Unit: tt.unit, Ratio: tt.ratio}}}
		if lines, failed, unsure := rep.Decide(0.98); failed != tt.failed || unsure != tt.unsure {
			t.Errorf("%v %s: got failed %v, unsure %v: %q", tt.ratio, tt.unit, failed, unsure, lines)
		}
	}
}

func TestBenchRefuses(t *testing.T) {
	good := Default()
	good.A, good.B = "a", "b"
	for name, change := range map[string]func(*Config){
		"no A":          func(c *Config) { c.A = "" },
		"four pairs":    func(c *Config) { c.Pairs = 4 },
		"no time":       func(c *Config) { c.Time = 0 },
		"no connection": func(c *Config) { c.Connections = 0 },
	} {
		c := good
		change(&c)
		if _, err := Run(t.Context(), c); err == nil || !strings.HasPrefix(err.Error(), "storm: ") {
			t.Errorf("%s: got %v, want an error", name, err)
		}
	}
}
