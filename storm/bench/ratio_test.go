package bench

import (
	"math"
	"testing"
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
