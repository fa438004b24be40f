package bench

import (
	"math"
	"math/rand/v2"
	"testing"
)

func TestRatio(t *testing.T) {
	tests := []struct {
		x, y []float64
		want Ratio
	}{
		{[]float64{2}, []float64{1}, Ratio{2, 2, 2}},
		{[]float64{3, 6, 9}, []float64{1, 2, 3}, Ratio{3, 3, 3}},
		{[]float64{1, 4, 9}, []float64{1, 2, 3}, Ratio{2, 2, 2}}, // each block has all three
		{[]float64{1, 2, 3}, []float64{1}, Ratio{1, 1, 1}},
		{[]float64{1, 1}, []float64{0, 2}, Ratio{0.5, 0.5, 0.5}},
	}
	for _, tt := range tests {
		if got := ratio(tt.x, tt.y); got != tt.want {
			t.Errorf("%v to %v: got %v, want %v", tt.x, tt.y, got, tt.want)
		}
	}
	for _, y := range [][]float64{nil, {0}, {math.NaN()}} {
		if got := ratio([]float64{0}, y); !math.IsNaN(got.Median) || !math.IsNaN(got.Low) {
			t.Errorf("to %v: got %v, want NaN", y, got)
		}
	}
}

// A machine as bad as those on which storm has to measure: its speed drifts over a wide range, and others hit many turns for
// some time. The interval still has the true ratio in it, and is narrow enough to tell 0.95 from 1.
func TestIntervalHoldsTrueRatio(t *testing.T) {
	const runs, pairs = 40, 200
	for _, truth := range []float64{0.95, 1} {
		held, decided := 0, 0
		for seed := range uint64(runs) {
			x, y := noisyMachine(seed, pairs, truth)
			r := ratio(x, y)
			if r.Low <= truth && truth <= r.High {
				held++
			}
			if r.High < 1 || r.Low > 1 {
				decided++
			}
		}
		if least := runs * 90 / 100; held < least {
			t.Errorf("ratio %v: the interval held it in %d of %d runs, want %d", truth, held, runs, least)
		}
		if truth == 1 {
			if most := runs / 10; decided > most {
				t.Errorf("ratio 1: taken for another one in %d of %d runs, want %d at most", decided, runs, most)
			}
		} else if least := runs * 9 / 10; decided < least {
			t.Errorf("ratio %v: told from 1 in %d of %d runs, want %d", truth, decided, runs, least)
		}
	}
}

// noisyMachine returns the rates of two servers, of which the first has the given ratio to the second.
func noisyMachine(seed uint64, pairs int, truth float64) (x, y []float64) {
	rng := rand.New(rand.NewPCG(seed, 0))
	drift, busy := 0.0, false
	turn := func() float64 {
		drift = 0.99*drift + 0.03*rng.NormFloat64()
		if rng.Float64() < 0.1 { // a neighbour begins or ends
			busy = !busy
		}
		rate := 60_000 * math.Exp(drift+0.04*rng.NormFloat64())
		if busy && rng.Float64() < 0.6 {
			rate /= 1 + 1.5*rng.Float64()
		}
		return rate
	}
	for i := range pairs {
		a, b := turn(), turn()
		if i%2 == 1 {
			a, b = b, a
		}
		x, y = append(x, a*truth), append(y, b)
	}
	return x, y
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
