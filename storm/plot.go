package storm

import (
	"errors"
	"fmt"
	"image/color"
	"math"
	"os"
	"path/filepath"
	"strings"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/font"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
	"gonum.org/v1/plot/vg/vgimg"
	"gonum.org/v1/plot/vg/vgsvg"
)

// The picture is meant for a screen and for a README: 16 by 9, with letters that stay legible at half its size.
const (
	pictureWidth  = 12 * vg.Inch
	pictureHeight = 6.75 * vg.Inch
	pictureDPI    = 120
)

// Colours that differ in brightness too, for those who cannot tell red from green.
var (
	ink      = color.NRGBA{0x33, 0x33, 0x33, 0xff}
	pale     = color.NRGBA{0xe6, 0xe6, 0xe6, 0xff}
	marker   = color.NRGBA{0x88, 0x88, 0x88, 0xff}
	blue     = color.NRGBA{0x1f, 0x5f, 0xa8, 0xff}
	lightest = color.NRGBA{0x9c, 0xc3, 0xe8, 0xff}
	red      = color.NRGBA{0xc8, 0x2a, 0x2a, 0xff}
	green    = color.NRGBA{0x2e, 0x8b, 0x57, 0xff}
)

// Plot draws the report to a file, as SVG or PNG by its extension: latency, losses and surviving connections over time,
// with a line for each restart.
func (r *Report) Plot(path string) error {
	if len(r.Timeline) < 2 {
		return errors.New("storm: too short to draw")
	}
	var canvas interface {
		vg.CanvasWriterTo
		vg.CanvasSizer
	}
	switch ext := strings.ToLower(filepath.Ext(path)); ext {
	case ".svg":
		canvas = vgsvg.New(pictureWidth, pictureHeight)
	case ".png":
		canvas = vgimg.PngCanvas{Canvas: vgimg.NewWith(
			vgimg.UseWH(pictureWidth, pictureHeight), vgimg.UseDPI(pictureDPI), vgimg.UseBackgroundColor(color.White))}
	default:
		return fmt.Errorf("storm: a picture is .svg or .png, not %q", ext)
	}
	panels, err := r.panels()
	if err != nil {
		return err
	}
	drawPanels(draw.New(canvas), panels)
	f, err := os.Create(path)
	if err != nil {
		return fmt.Errorf("storm: %w", err)
	}
	if _, err := canvas.WriteTo(f); err != nil {
		f.Close()
		return fmt.Errorf("storm: draw %s: %w", path, err)
	}
	if err := f.Close(); err != nil {
		return fmt.Errorf("storm: %w", err)
	}
	return nil
}

// panel is one plot and its part of the height.
type panel struct {
	plot *plot.Plot
	part float64
}

func (r *Report) panels() ([]panel, error) {
	latency, err1 := r.latencyPanel()
	losses, err2 := r.lossPanel()
	alive, err3 := r.alivePanel()
	if err := errors.Join(err1, err2, err3); err != nil {
		return nil, fmt.Errorf("storm: draw: %w", err)
	}
	latency.Title.Text = fmt.Sprintf("%d restarts: %s", len(r.Restarts)-len(r.Failed()), r.Verdict())
	alive.X.Label.Text = "seconds (dashed lines: restarts)"
	return []panel{{latency, 0.52}, {losses, 0.21}, {alive, 0.27}}, nil
}

// drawPanels stacks the panels so that their time axes are above each other.
func drawPanels(c draw.Canvas, panels []panel) {
	const margin = 0.15 * vg.Inch
	plots := make([][]*plot.Plot, len(panels))
	for i, p := range panels {
		plots[i] = []*plot.Plot{p.plot}
	}
	// Align makes tiles of equal height; only its widths are taken, the heights are ours.
	tiles := draw.Tiles{Rows: len(panels), Cols: 1, PadTop: margin, PadBottom: margin, PadLeft: margin, PadRight: 2 * margin, PadY: margin}
	aligned := plot.Align(plots, tiles, c)
	top, height := c.Max.Y-margin, c.Max.Y-c.Min.Y-2*margin
	for i, p := range panels {
		cell := aligned[i][0]
		bottom := top - height*vg.Length(p.part)
		cell.Min.Y, cell.Max.Y = bottom+margin/2, top
		p.plot.Draw(cell)
		top = bottom
	}
}

func (r *Report) newPlot(label string) *plot.Plot {
	p := plot.New()
	p.Y.Label.Text = label
	p.X.Min, p.X.Max = 0, r.Timeline[len(r.Timeline)-1].At
	sans := func(size font.Length) font.Font {
		return font.Font{Typeface: "Liberation", Variant: "Sans", Size: size}
	}
	p.Title.TextStyle.Font = sans(15)
	p.Title.TextStyle.Color = ink
	p.Title.Padding = 8
	p.X.Tick.Marker = seconds{}
	for _, a := range []*plot.Axis{&p.X, &p.Y} {
		a.Label.TextStyle.Font = sans(12)
		a.Tick.Label.Font = sans(11)
		a.Color, a.Tick.Color = ink, ink
		a.Label.TextStyle.Color, a.Tick.Label.Color = ink, ink
		a.Tick.LineStyle.Color = marker
		a.LineStyle.Color = marker
		a.Padding = 0
	}
	p.Legend.TextStyle.Font = sans(11)
	p.Legend.Top = true
	p.Legend.Padding = 3
	grid := plotter.NewGrid()
	grid.Vertical.Width = 0
	grid.Horizontal.Color = pale
	p.Add(grid)
	return p
}

// addRestarts draws a line at each restart, over the whole height of the panel; call it when the range is set.
func (r *Report) addRestarts(p *plot.Plot) error {
	for _, x := range r.Restarts {
		l, err := plotter.NewLine(plotter.XYs{{X: x.At, Y: p.Y.Min}, {X: x.At, Y: p.Y.Max}})
		if err != nil {
			return err
		}
		l.Color, l.Width, l.Dashes = marker, vg.Points(1), []vg.Length{vg.Points(4), vg.Points(3)}
		if x.Failed != "" {
			l.Color = red
		}
		p.Add(l)
	}
	return nil
}

func (r *Report) series(value func(Moment) float64, keep func(Moment) bool) plotter.XYs {
	var points plotter.XYs
	for _, m := range r.Timeline {
		if keep(m) {
			points = append(points, plotter.XY{X: m.At, Y: value(m)})
		}
	}
	return points
}

// ceiling rounds up to 1, 2 or 5 times a power of ten.
func ceiling(v float64) float64 {
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
