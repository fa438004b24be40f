package picture

import (
	"math"
	"testing"
)

func TestCeiling(t *testing.T) {
	for in, want := range map[float64]float64{0: 1, -3: 1, 0.3: 0.5, 1: 1, 1.1: 2, 228: 500, 999: 1000, math.Inf(1): 1} {
		if got := Ceiling(in); math.Abs(got-want) > 1e-9 {
			t.Errorf("%v: got %v, want %v", in, got, want)
		}
	}
}
