package report

import (
	"image/color"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg"

	"example.com/restart/storm/internal/picture"
)

// latencyPanel has a logarithmic scale: a pause of a second must be seen beside answers within a tenth of a millisecond.
func (r *Report) latencyPanel() (*plot.Plot, error) {
	p := r.newPlot("latency, ms")
	// After the load has stopped, only the slowest requests end, and their latencies stand for nothing else.
	answered := func(m Moment) bool { return m.Answered > 0 && (r.LoadSeconds == 0 || m.At <= r.LoadSeconds) }
	lowest, highest := 1.0, 1.0
	for _, l := range []struct {
		name  string
		value func(Moment) float64
		color color.Color
		width vg.Length
	}{
		{"max", func(m Moment) float64 { return max(m.Max, 0.01) }, picture.LightBlue, vg.Points(0.9)},
		{"p99", func(m Moment) float64 { return max(m.P99, 0.01) }, picture.Blue, vg.Points(1.3)},
		{"p50", func(m Moment) float64 { return max(m.P50, 0.01) }, picture.Green, vg.Points(1.3)},
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
		drawn.Color, drawn.Width = l.color, l.width
		p.Add(drawn)
		p.Legend.Add(l.name, drawn)
	}
	p.Y.Scale = plot.LogScale{}
	p.Y.Tick.Marker = picture.Decades{}
	// The factor leaves room for the legend above the lines.
	p.Y.Min, p.Y.Max = max(picture.Ceiling(lowest)/10, 0.01), picture.Ceiling(highest)*8
	p.Legend.XOffs = vg.Points(-4)
	return p, r.addRestarts(p)
}

// lossPanel has a bar for each moment in which a request was lost.
func (r *Report) lossPanel() (*plot.Plot, error) {
	p := r.newPlot("lost")
	p.Y.Min, p.Y.Max = 0, 1
	for _, m := range r.Timeline {
		p.Y.Max = max(p.Y.Max, float64(m.Lost))
	}
	p.Y.Max = picture.Ceiling(p.Y.Max * 1.1)
	p.Y.Tick.Marker = picture.EndsAndMiddle{}
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
		l.Color, l.Width = picture.Red, vg.Points(2.5)
		p.Add(l)
	}
	return p, nil
}

// alivePanel shows how many connections are still those that were opened at the beginning.
func (r *Report) alivePanel() (*plot.Plot, error) {
	p := r.newPlot("connections alive")
	p.Y.Min, p.Y.Max = 0, max(1, float64(r.Kept)*1.08)
	p.Y.Tick.Marker = picture.ZeroAnd(r.Kept)
	points := r.series(func(m Moment) float64 { return float64(m.Surviving) }, func(Moment) bool { return true })
	drawn, err := plotter.NewLine(points)
	if err != nil {
		return nil, err
	}
	drawn.Color, drawn.Width = picture.Green, vg.Points(1.6)
	drawn.StepStyle = plotter.PostStep
	drawn.FillColor = picture.LightBlue
	p.Add(drawn)
	return p, r.addRestarts(p)
}
