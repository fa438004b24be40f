package bench

import (
	"math"
	"slices"
)

// Ratio is the distribution of x to y over pairs that were measured one after the other.
type Ratio struct {
	Median, Low, High float64
}

// ratio divides pair by pair: a machine that is slow for a while is so for both. Pairs that cannot be divided are left
// out; of none, all is NaN.
func ratio(x, y []float64) Ratio {
	var r []float64
	for i := range min(len(x), len(y)) {
		if q := x[i] / y[i]; !math.IsNaN(q) && !math.IsInf(q, 0) {
			r = append(r, q)
		}
	}
	if len(r) == 0 {
		return Ratio{math.NaN(), math.NaN(), math.NaN()}
	}
	slices.Sort(r)
	return Ratio{middle(r), r[0], r[len(r)-1]}
}

// median returns the middle of the values, NaN of none.
func median(values []float64) float64 {
	if len(values) == 0 {
		return math.NaN()
	}
	return middle(slices.Sorted(slices.Values(values)))
}

func middle(sorted []float64) float64 {
	n := len(sorted)
	if n%2 == 1 {
		return sorted[n/2]
	}
	return (sorted[n/2-1] + sorted[n/2]) / 2
}
