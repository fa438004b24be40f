package storm

import (
	"bytes"
	"encoding/json"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"example.com/restart/storm/internal/proc"
)

func TestQuantile(t *testing.T) {
	tests := []struct {
		values []float64
		q      float64
		want   float64
	}{
		{[]float64{3}, 0.5, 3},
		{[]float64{3, 1, 2}, 0.5, 2},
		{[]float64{4, 1, 2, 3}, 0.5, 2.5},
		{[]float64{1, 2}, 1, 2},
		{[]float64{1, 2}, 0, 1},
	}
	for _, tt := range tests {
		if got := quantile(tt.values, tt.q); got != tt.want {
			t.Errorf("%v at %v: got %v, want %v", tt.values, tt.q, got, tt.want)
		}
	}
	if got := quantile(nil, 0.5); !math.IsNaN(got) {
		t.Errorf("of none: got %v, want NaN", got)
	}
}

func TestCeiling(t *testing.T) {
	for in, want := range map[float64]float64{0: 1, -3: 1, 0.3: 0.5, 1: 1, 1.1: 2, 228: 500, 999: 1000, math.Inf(1): 1} {
		if got := ceiling(in); math.Abs(got-want) > 1e-9 {
			t.Errorf("%v: got %v, want %v", in, got, want)
		}
	}
}

func TestMergeKeepsLossesAndPeaks(t *testing.T) {
	var long []Moment
	for i := range 10 {
		long = append(long, Moment{At: float64(i), Lost: 1, Answered: 2, Max: float64(i)})
	}
	got := merge(long)
	var lost, answered int64
	for _, m := range got {
		lost += m.Lost
		answered += m.Answered
	}
	if len(got) != 5 || lost != 10 || answered != 20 || got[4].Max != 9 || got[4].At != 8 {
		t.Errorf("got %+v, want 5 moments with 10 lost", got)
	}
}

func TestProgressLine(t *testing.T) {
	plain := formatProgress(false, 1500*time.Millisecond, 2, 0, 10, 1000, 3, 5, 9)
	if want := "  1.5s restarts 2/10  requests 1000  lost 3  connections alive 5/9"; plain != want {
		t.Errorf("got %q, want %q", plain, want)
	}
	bar := formatProgress(true, time.Second, 4, 1, 10, 0, 0, 0, 0)
	if strings.Count(bar, "█") != barWidth/2 || !strings.Contains(bar, "FAILED") {
		t.Errorf("got %q, want half a bar and the failure", bar)
	}
}

func testReport() *Report {
	r := &Report{
		Server: "server", Requests: 12, Lost: 2, Kept: 3, Survived: 1, Seconds: 3,
		Classes: []ClassReport{
			{Name: "busy", Answered: 10, Reset: 2, Kept: 3, Survived: 1, Losses: []LossReport{{1.05, "reset", "why"}}},
			{Name: "ws", Skipped: "no WebSocket"},
		},
		Restarts: []RestartReport{
			{Number: 1, At: 1, FirstAnswer: 20, Gone: 30},
			{Number: 2, At: 2, Failed: "nobody came"},
		},
	}
	for i := range 30 {
		r.Timeline = append(r.Timeline, Moment{At: float64(i) / 10, Answered: 1, P50: 1, P99: 2, Max: 3, PID: 1})
	}
	return r
}

func TestWriteTable(t *testing.T) {
	var b bytes.Buffer
	if err := testReport().WriteTable(&b); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"2 of 12 requests lost", "1 of 3 connections lived from first to last", "1 restarts FAILED",
		"50 ms after restart 1: reset: why", "skipped: ws (no WebSocket)", "restart 2 at 2.0 s failed: nobody came",
	} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("the table lacks %q:\n%s", want, b.String())
		}
	}
}

func TestRatioLine(t *testing.T) {
	r := new(Report)
	if got := r.ratioLine(); got != "" {
		t.Errorf("of nothing: got %q", got)
	}
	r.Steady, r.Restarting = Latency{Count: 1, P99: 2}, Latency{Count: 1, P99: 3}
	if got, want := r.ratioLine(), "p99 of all while restarting: 1.50 times steady\n"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	r.Control = Latency{Count: 1, P99: 2.5}
	if got, want := r.ratioLine(), "p99 of all while restarting: 1.50 times steady; in the control: 1.25 times\n"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestFormatTable(t *testing.T) {
	got := formatTable([][]string{{"name", "n"}, {"x", "100"}, nil, {"ä", "1", "more"}})
	want := "name    n\nx     100\n───────────────\nä       1  more\n"
	if got != want {
		t.Errorf("got\n%swant\n%s", got, want)
	}
}

func TestReportSurvivesJSON(t *testing.T) {
	var b bytes.Buffer
	if err := testReport().WriteJSON(&b); err != nil {
		t.Fatal(err)
	}
	var got Report
	if err := json.Unmarshal(b.Bytes(), &got); err != nil || got.Verdict() != testReport().Verdict() {
		t.Errorf("got %q, %v, want %q", got.Verdict(), err, testReport().Verdict())
	}
}

func TestPlotRefuses(t *testing.T) {
	if err := testReport().Plot("x.gif"); err == nil {
		t.Error("a GIF was drawn")
	}
	if err := (&Report{}).Plot("x.png"); err == nil {
		t.Error("a picture of nothing was drawn")
	}
}

func TestUndrained(t *testing.T) {
	ids := func(pids ...int) (all []proc.ID) {
		for _, p := range pids {
			all = append(all, proc.ID{PID: p})
		}
		return all
	}
	tests := []struct {
		name          string
		living        []proc.ID
		usual, master int
		want          []int
	}{
		{"none", ids(1), 1, 0, nil},
		{"one old", ids(1, 2), 1, 0, []int{1}},
		{"master and worker", ids(1, 5), 2, 1, nil},
		{"master and an old worker", ids(1, 5, 6), 2, 1, []int{5}},
		{"master that does not hold the socket", ids(5, 6), 1, 1, []int{5}},
		{"two workers", ids(1, 5, 6, 7, 8), 3, 1, []int{5, 6}},
		{"nobody", nil, 1, 0, nil},
	}
	for _, tt := range tests {
		if got := undrained(tt.living, tt.usual, tt.master); !slices.Equal(got, tt.want) {
			t.Errorf("%s: got %v, want %v", tt.name, got, tt.want)
		}
	}
}
