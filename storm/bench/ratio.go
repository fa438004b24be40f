package bench

import (
	"math"
	"slices"
)

// Ratio is the distribution of the quotients x/y of pairs that were measured one after the other.
type Ratio struct {
	Median, Low, High float64
}

// ratio divides pair by pair, because a machine that is slow for a while is slow for both. Pairs that cannot be divided are
// left out. Without pairs all fields are NaN.
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

// median returns the median of the values, NaN without values.
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
