package tally

import (
	"testing"
	"time"
)

func TestPhase(t *testing.T) {
	var p Phase
	at := func(s int) time.Time { return time.Unix(int64(s), 0) }
	check := func(when string, start, end int, want Kind) {
		t.Helper()
		if got := p.Touched(at(start), at(end)); got != want {
			t.Errorf("%s, %d to %d: got %v, want %v", when, start, end, got, want)
		}
	}
	check("before all", 1, 2, Steady)
	p.Begin(Restarting, at(10))
	check("under way", 8, 9, Steady)
	check("under way", 8, 11, Restarting)
	check("under way", 11, 99, Restarting)
	p.End(at(20))
	check("over", 19, 21, Restarting)
	check("over", 5, 30, Restarting)
	check("over", 21, 22, Steady)
	p.Begin(Control, at(30))
	check("second", 21, 29, Steady)
	check("second", 21, 31, Control)
}
