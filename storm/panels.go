package storm

import (
	"math"
	"strconv"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg"
)

// latencyPanel has a logarithmic scale: a pause of a second must be seen beside answers within a tenth of a millisecond.
func (r *Report) latencyPanel() (*plot.Plot, error) {
	p := r.newPlot("latency, ms")
	// What ends after the load was stopped is only the slow: no sample of all.
	answered := func(m Moment) bool { return m.Answered > 0 && (r.LoadSeconds == 0 || m.At <= r.LoadSeconds) }
	lowest, highest := 1.0, 1.0
	for _, l := range []struct {
		name  string
		value func(Moment) float64
		style plotter.Line
	}{
		{"slowest", func(m Moment) float64 { return max(m.Max, 0.01) }, line(lightest, 1)},
		{"99 % within", func(m Moment) float64 { return max(m.P99, 0.01) }, line(blue, 1.6)},
		{"half within", func(m Moment) float64 { return max(m.P50, 0.01) }, line(green, 1.6)},
	} {
		points := r.series(l.value, answered)
		if len(points) == 0 {
			continue
		}
		for _, xy := range points {
			lowest, highest = min(lowest, xy.Y), max(highest, xy.Y)
		}
		drawn, err := plotter.NewLine(points)
		if err != nil {
			return nil, err
		}
		drawn.LineStyle = l.style.LineStyle
		p.Add(drawn)
		p.Legend.Add(l.name, drawn)
	}
	p.Y.Scale = plot.LogScale{}
	p.Y.Tick.Marker = decades{}
	// Room above for the legend.
	p.Y.Min, p.Y.Max = ceiling(lowest)/10, ceiling(highest)*4
	p.Y.Min = max(p.Y.Min, 0.01)
	p.Legend.XOffs = vg.Points(-4)
	return p, r.addRestarts(p)
}

func line(c interface{ RGBA() (r, g, b, a uint32) }, width float64) plotter.Line {
	var l plotter.Line
	l.Color, l.Width = c, vg.Points(width)
	return l
}

// lossPanel has a bar for each moment in which something was lost.
func (r *Report) lossPanel() (*plot.Plot, error) {
	p := r.newPlot("lost")
	p.Y.Min, p.Y.Max = 0, 1
	for _, m := range r.Timeline {
		p.Y.Max = max(p.Y.Max, float64(m.Lost))
	}
	p.Y.Max = ceiling(p.Y.Max * 1.1)
	p.Y.Tick.Marker = few{}
	if err := r.addRestarts(p); err != nil {
		return nil, err
	}
	for _, m := range r.Timeline {
		if m.Lost == 0 {
			continue
		}
		l, err := plotter.NewLine(plotter.XYs{{X: m.At, Y: 0}, {X: m.At, Y: float64(m.Lost)}})
		if err != nil {
			return nil, err
		}
		l.Color, l.Width = red, vg.Points(3.5)
		p.Add(l)
	}
	return p, nil
}

// alivePanel shows how many connections are still the ones they were at the beginning.
func (r *Report) alivePanel() (*plot.Plot, error) {
	p := r.newPlot("connections alive")
	p.Y.Min, p.Y.Max = 0, max(1, float64(r.Kept)*1.08)
	p.Y.Tick.Marker = zeroAnd(r.Kept)
	points := r.series(func(m Moment) float64 { return float64(m.Surviving) }, func(Moment) bool { return true })
	drawn, err := plotter.NewLine(points)
	if err != nil {
		return nil, err
	}
	drawn.Color, drawn.Width = green, vg.Points(2)
	drawn.StepStyle = plotter.PostStep
	drawn.FillColor = lightest
	p.Add(drawn)
	return p, r.addRestarts(p)
}

// decades marks powers of ten, in plain numbers.
type decades struct{}

func (decades) Ticks(low, high float64) (ticks []plot.Tick) {
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

// few marks nothing, the half and all.
type few struct{}

func (few) Ticks(low, high float64) []plot.Tick {
	label := func(v float64) plot.Tick { return plot.Tick{Value: v, Label: strconv.FormatFloat(v, 'g', 6, 64)} }
	return []plot.Tick{label(low), label((low + high) / 2), label(high)}
}

// zeroAnd marks nothing and all of a number.
type zeroAnd int

func (z zeroAnd) Ticks(float64, float64) []plot.Tick {
	return []plot.Tick{{Value: 0, Label: "0"}, {Value: float64(z), Label: strconv.Itoa(int(z))}}
}

// seconds marks a round number of seconds, not more than a dozen times.
type seconds struct{}

func (seconds) Ticks(_, high float64) (ticks []plot.Tick) {
	every := max(1, ceiling(high/12))
	for v := 0.0; v <= high; v += every {
		ticks = append(ticks, plot.Tick{Value: v, Label: strconv.FormatFloat(v, 'g', 6, 64)})
	}
	return ticks
}
