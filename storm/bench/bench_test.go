package bench

import (
	"bytes"
	"math"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestRatio(t *testing.T) {
	tests := []struct {
		x, y []float64
		want Ratio
	}{
		{[]float64{2}, []float64{1}, Ratio{2, 2, 2}},
		{[]float64{1, 4, 9}, []float64{1, 2, 3}, Ratio{2, 1, 3}},
		{[]float64{4, 1}, []float64{2, 1}, Ratio{1.5, 1, 2}},
		{[]float64{1, 2, 3}, []float64{1}, Ratio{1, 1, 1}},
		{[]float64{1, 1}, []float64{0, 2}, Ratio{0.5, 0.5, 0.5}},
	}
	for _, tt := range tests {
		if got := ratio(tt.x, tt.y); got != tt.want {
			t.Errorf("%v to %v: got %v, want %v", tt.x, tt.y, got, tt.want)
		}
	}
	for _, y := range [][]float64{nil, {0}, {math.NaN()}} {
		if got := ratio([]float64{0}, y); !math.IsNaN(got.Median) {
			t.Errorf("to %v: got %v, want NaN", y, got)
		}
	}
}

func TestMedianLeavesItsInputAlone(t *testing.T) {
	values := []float64{3, 1, 2}
	if got := median(values); got != 2 || values[0] != 3 {
		t.Errorf("got %v and %v, want 2 and the same values", got, values)
	}
	if got := median(nil); !math.IsNaN(got) {
		t.Errorf("of none: got %v, want NaN", got)
	}
}

func TestDivide(t *testing.T) {
	tests := []struct{ cpus, server, client []int }{
		{nil, nil, nil},
		{[]int{3}, nil, nil},
		{[]int{0, 1}, []int{0}, []int{1}},
		{[]int{2, 5, 7}, []int{2}, []int{5, 7}},
	}
	for _, tt := range tests {
		got := divide(tt.cpus)
		if len(got.server) != len(tt.server) || len(got.client) != len(tt.client) {
			t.Errorf("%v: got %v, want %v and %v", tt.cpus, got, tt.server, tt.client)
			continue
		}
		for _, s := range got.server {
			for _, c := range got.client {
				if s == c {
					t.Errorf("%v: CPU %d is the server's and the client's", tt.cpus, s)
				}
			}
		}
	}
}

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

func TestParseCounts(t *testing.T) {
	const table = `strace: Process 7 detached
% time     seconds  usecs/call     calls    errors syscall
------ ----------- ----------- --------- --------- ----------------
 90.00    0.010000         100       100        30 sendfile
  5.00    0.001000          10        12           write
  5.00    0.001000          10        xx           read
------ ----------- ----------- --------- --------- ----------------
100.00    0.011000                   112        30 total
`
	got := parseCounts(table)
	if len(got) != 2 || got["sendfile"] != 100 || got["write"] != 12 {
		t.Errorf("got %v, want 100 sendfile and 12 write", got)
	}
	if got := parseCounts(""); len(got) != 0 {
		t.Errorf("of nothing: got %v", got)
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
		// CPU time is not checked: in so short a turn it can be too little to be counted.
		rate := strings.HasSuffix(r.Unit, "/s")
		if len(r.A) != c.Pairs || len(r.B) != c.Pairs || rate && (!(r.Ratio.Median > 0) || !(r.Noise.Median > 0)) {
			t.Errorf("%s, %s: got %v and %v, want %d of each", r.Name, r.Unit, r.A, r.B, c.Pairs)
		}
	}
	// Whether strace is there and may attach is the machine's business.
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
