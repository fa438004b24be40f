package report

import (
	"errors"
	"fmt"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"

	"example.com/restart/storm/internal/picture"
)

// Heights of the panels.
const (
	latencyHeight = 2.6 * vg.Inch
	lossHeight    = 1.2 * vg.Inch
	aliveHeight   = 1.8 * vg.Inch
)

// Plot draws the report to a file, as SVG or PNG by its extension: the latency, the losses if there were any, and the
// connections that are still alive, over time, with a dashed line at each restart.
func (r *Report) Plot(path string) error {
	if len(r.Timeline) < 2 {
		return fmt.Errorf("storm: draw %s: the run was too short", path)
	}
	panels, err := r.panels()
	if err != nil {
		return fmt.Errorf("storm: draw %s: %w", path, err)
	}
	height := vg.Length(0)
	for _, p := range panels {
		height += p.height
	}
	return picture.Draw(path, height, func(page draw.Canvas) error {
		stack(page, panels)
		return nil
	})
}

// panel is one plot and its height on the page.
type panel struct {
	plot   *plot.Plot
	height vg.Length
}

func (r *Report) panels() ([]panel, error) {
	latency, err1 := r.latencyPanel()
	alive, err2 := r.alivePanel()
	if err := errors.Join(err1, err2); err != nil {
		return nil, err
	}
	latency.Title.Text = fmt.Sprintf("%d restarts: %s", len(r.Restarts)-len(r.Failed()), r.Verdict())
	if len(r.Restarts) == 0 {
		latency.Title.Text = r.Verdict()
	}
	alive.X.Label.Text = "seconds"
	if len(r.Restarts) > 0 {
		alive.X.Label.Text += " (dashed lines: restarts)"
	}
	panels := []panel{{latency, latencyHeight}}
	if r.Lost > 0 {
		losses, err := r.lossPanel()
		if err != nil {
			return nil, err
		}
		panels = append(panels, panel{losses, lossHeight})
	}
	return append(panels, panel{alive, aliveHeight}), nil
}

// stack draws the panels from top to bottom with their time axes above each other.
func stack(page draw.Canvas, panels []panel) {
	const margin = 0.1 * vg.Inch
	plots := make([][]*plot.Plot, len(panels))
	for i, p := range panels {
		plots[i] = []*plot.Plot{p.plot}
	}
	// Align makes tiles of equal height. Only their widths are used.
	tiles := draw.Tiles{Rows: len(panels), Cols: 1, PadTop: margin, PadBottom: margin, PadLeft: margin, PadRight: 2 * margin, PadY: margin}
	aligned := plot.Align(plots, tiles, page)
	top := page.Max.Y
	for i, p := range panels {
		cell := aligned[i][0]
		bottom := top - p.height
		cell.Min.Y, cell.Max.Y = bottom+margin/2, top-margin/2
		p.plot.Draw(cell)
		top = bottom
	}
}

func (r *Report) newPlot(label string) *plot.Plot {
	p := plot.New()
	p.Y.Label.Text = label
	p.X.Min, p.X.Max = 0, r.Timeline[len(r.Timeline)-1].At
	p.BackgroundColor = nil
	p.Title.TextStyle.Font = picture.Sans(picture.Normal) // the verdict is long
	p.Title.TextStyle.Color = picture.Ink
	p.Title.Padding = vg.Points(5)
	p.X.Tick.Marker = picture.Seconds{}
	for _, a := range []*plot.Axis{&p.X, &p.Y} {
		a.Label.TextStyle.Font = picture.Sans(picture.Normal)
		a.Tick.Label.Font = picture.Sans(picture.Small)
		a.Color = picture.Ink
		a.Label.TextStyle.Color, a.Tick.Label.Color = picture.Ink, picture.Ink
		a.Tick.LineStyle.Color = picture.Grey
		a.LineStyle.Color = picture.Grey
		a.Padding = 0
	}
	p.Legend.TextStyle.Font = picture.Sans(picture.Normal)
	p.Legend.TextStyle.Color = picture.Ink
	p.Legend.Top = true
	p.Legend.Padding = vg.Points(2)
	grid := plotter.NewGrid()
	grid.Vertical.Width = 0
	grid.Horizontal.Color = picture.Pale
	p.Add(grid)
	return p
}

// addRestarts draws a line at each restart over the whole height of a panel, whose range must be set before.
func (r *Report) addRestarts(p *plot.Plot) error {
	for _, x := range r.Restarts {
		l, err := plotter.NewLine(plotter.XYs{{X: x.At, Y: p.Y.Min}, {X: x.At, Y: p.Y.Max}})
		if err != nil {
			return err
		}
		l.Color, l.Width, l.Dashes = picture.Grey, vg.Points(0.8), picture.Dashes()
		if x.Failed != "" {
			l.Color = picture.Red
		}
		p.Add(l)
	}
	return nil
}

// series returns a value of each moment that is wanted.
func (r *Report) series(value func(Moment) float64, wanted func(Moment) bool) plotter.XYs {
	var points plotter.XYs
	for _, m := range r.Timeline {
		if wanted(m) {
			points = append(points, plotter.XY{X: m.At, Y: value(m)})
		}
	}
	return points
}
