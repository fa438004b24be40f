package bench

import (
	"math"
	"math/rand/v2"
	"slices"
)

const (
	// confidence is how often an interval holds the true ratio.
	confidence = 0.95
	resamples  = 1000
	// block is how many neighbouring pairs a resample takes together. Pairs that are near in time have the same troubles, so
	// they count for less than as many that are far from each other. It is even: each order of the turns is in it as often.
	block = 4
)

// Ratio is the median of the quotients x/y of pairs that were measured one after the other, and the interval in which the true
// ratio lies with a confidence of 95 %.
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
	medians := bootstrap(r)
	at := func(q float64) float64 { return medians[int(math.Round(q*float64(len(medians)-1)))] }
	return Ratio{median(r), at((1 - confidence) / 2), at((1 + confidence) / 2)}
}

// bootstrap returns the medians of many samples that are drawn from the values in blocks, the smallest first. It draws the
// same samples in each run.
func bootstrap(values []float64) []float64 {
	rng := rand.New(rand.NewPCG(1, uint64(len(values))))
	sample := make([]float64, len(values))
	medians := make([]float64, resamples)
	for i := range medians {
		for at := 0; at < len(sample); at += block {
			from := rng.IntN(len(values))
			for k := at; k < min(at+block, len(sample)); k++ {
				sample[k] = values[(from+k-at)%len(values)]
			}
		}
		slices.Sort(sample)
		medians[i] = middle(sample)
	}
	slices.Sort(medians)
	return medians
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
