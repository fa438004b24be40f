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
	bare := filepath.Join(t.TempDir(), "bare")
	if out, err := exec.Command("go", "build", "-o", bare, "../testdata/bare").CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	c := Default()
	c.A, c.B = bare+" -addr {addr}", bare+" -addr {addr}"
	c.Time, c.Connections, c.DownloadSize = 50*time.Millisecond, 4, 8<<20
	rep, err := Run(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	if len(rep.Rows) != 6 {
		t.Fatalf("got %d rows, want 6", len(rep.Rows))
	}
	for _, r := range rep.Rows {
		// CPU time is not checked: a turn as short as this may use too little to be counted.
		rate := strings.HasSuffix(r.Unit, "/s")
		if len(r.A) != c.Pairs || len(r.B) != c.Pairs || rate && (!(r.Ratio.Median > 0) || !(r.Noise.Median > 0)) {
			t.Errorf("%s, %s: got %v and %v, want %d of each", r.Name, r.Unit, r.A, r.B, c.Pairs)
		}
	}
	// strace may be missing or forbidden here.
	if rep.NoCalls == "" && rep.CallsB["sendfile"] == 0 {
		t.Errorf("net/http sends a file without sendfile: %v", rep.CallsB)
	}
	var b bytes.Buffer
	if err := rep.WriteTable(&b); err != nil || !strings.Contains(b.String(), "the noise") {
		t.Errorf("got %v and\n%s", err, b.String())
	}
	t.Log(b.String())
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
