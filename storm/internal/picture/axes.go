package picture

import (
	"math"
	"strconv"

	"gonum.org/v1/plot"
)

// Ceiling rounds up to 1, 2 or 5 times a power of ten. For zero, negative numbers, infinity and NaN it returns 1.
func Ceiling(v float64) float64 {
	if v <= 0 || math.IsInf(v, 0) || math.IsNaN(v) {
		return 1
	}
	power := math.Pow(10, math.Floor(math.Log10(v)))
	for _, f := range []float64{1, 2, 5} {
		if f*power >= v {
			return f * power
		}
	}
	return 10 * power
}

// Decades marks powers of ten with plain numbers, for a logarithmic axis.
type Decades struct{}

// Ticks implements [plot.Ticker].
func (Decades) Ticks(low, high float64) (ticks []plot.Tick) {
	for e := -3; e <= 6; e++ {
		v := math.Pow10(e)
		if v >= low*0.999 && v <= high*1.001 {
			ticks = append(ticks, plot.Tick{Value: v, Label: strconv.FormatFloat(v, 'f', -1, 64)})
		}
		for f := 2.0; f < 10; f++ {
			if v*f >= low && v*f <= high {
				ticks = append(ticks, plot.Tick{Value: v * f})
			}
		}
	}
	return ticks
}

// EndsAndMiddle marks the two ends of an axis and its middle.
type EndsAndMiddle struct{}

// Ticks implements [plot.Ticker].
func (EndsAndMiddle) Ticks(low, high float64) []plot.Tick {
	return []plot.Tick{labelled(low), labelled((low + high) / 2), labelled(high)}
}

// ZeroAnd marks 0 and one number.
type ZeroAnd int

// Ticks implements [plot.Ticker].
func (z ZeroAnd) Ticks(float64, float64) []plot.Tick {
	return []plot.Tick{labelled(0), labelled(float64(z))}
}

// Seconds marks a round number of seconds, at most a dozen times.
type Seconds struct{}

// Ticks implements [plot.Ticker].
func (Seconds) Ticks(_, high float64) (ticks []plot.Tick) {
	every := max(1, Ceiling(high/12))
	for v := 0.0; v <= high; v += every {
		ticks = append(ticks, labelled(v))
	}
	return ticks
}

func labelled(v float64) plot.Tick {
	return plot.Tick{Value: v, Label: strconv.FormatFloat(v, 'g', 6, 64)}
}
