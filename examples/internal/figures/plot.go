package figures

import (
	"bytes"
	"fmt"
	"image/color"
	"os"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/font"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
	"gonum.org/v1/plot/vg/vgsvg"
)

// A Chart shows lines over a logarithmic axis of counts, in milliseconds.
type Chart struct {
	Title, XLabel string
	Lines         []Line
}

// A Line has one point for each count.
type Line struct {
	Name   string
	Points []Point
}

// A Point is a measured time.
type Point struct {
	Count        int
	Milliseconds float64
}

// Colours that differ in brightness too.
var colours = []color.Color{
	color.NRGBA{0x1f, 0x5f, 0xa8, 0xff},
	color.NRGBA{0xc8, 0x2a, 0x2a, 0xff},
	color.NRGBA{0x9a, 0xa4, 0xae, 0xff},
}

// Plot draws charts to an SVG file, one below the other: a telephone shows the
// file 370 pixels wide, and letters must be legible there too.
func Plot(path string, charts ...Chart) error {
	const width, part = 480, 210 // points; 640 pixels wide in a browser
	height := part * vg.Length(len(charts))
	canvas := vgsvg.New(width, height)
	page := draw.New(canvas)
	page.FillPolygon(color.White, []vg.Point{{}, {X: width}, {X: width, Y: height}, {Y: height}})
	for i, c := range charts {
		p, err := c.plot()
		if err != nil {
			return fmt.Errorf("draw %s: %w", path, err)
		}
		top := height - part*vg.Length(i)
		p.Draw(draw.Crop(page, 10, -16, top-part+8, top-height-8))
	}
	var b bytes.Buffer
	if _, err := canvas.WriteTo(&b); err != nil {
		return fmt.Errorf("draw %s: %w", path, err)
	}
	// Where that font is not installed, another one with the same widths.
	svg := bytes.ReplaceAll(b.Bytes(), []byte("font-family:Liberation Sans;"),
		[]byte("font-family:Liberation Sans,Arial,Helvetica,sans-serif;"))
	return os.WriteFile(path, svg, 0o644)
}

func (c Chart) plot() (*plot.Plot, error) {
	p := plot.New()
	sans := func(s *draw.TextStyle, points vg.Length) {
		s.Font = font.Font{Typeface: "Liberation", Variant: "Sans", Size: points}
	}
	p.Title.Text, p.X.Label.Text, p.Y.Label.Text = c.Title, c.XLabel, "milliseconds"
	sans(&p.Title.TextStyle, 13)
	sans(&p.X.Label.TextStyle, 11)
	sans(&p.Y.Label.TextStyle, 11)
	sans(&p.X.Tick.Label, 10.5)
	sans(&p.Y.Tick.Label, 10.5)
	sans(&p.Legend.TextStyle, 11)
	p.Title.Padding = 6
	p.X.Scale, p.Y.Scale = plot.LogScale{}, plot.LogScale{}
	p.X.Tick.Marker, p.Y.Tick.Marker = plot.TickerFunc(decades), plot.TickerFunc(decades)
	p.Legend.Top, p.Legend.Left = true, true
	p.Legend.XOffs, p.Legend.YOffs, p.Legend.Padding = 6, -4, 3
	highest := 0.0
	for i, l := range c.Lines {
		var points plotter.XYs
		for _, m := range l.Points {
			points = append(points, plotter.XY{X: float64(m.Count), Y: m.Milliseconds})
			highest = max(highest, m.Milliseconds)
		}
		line, marks, err := plotter.NewLinePoints(points)
		if err != nil {
			return nil, err
		}
		line.Color, line.Width = colours[i%len(colours)], 1.6
		marks.Color, marks.Shape, marks.Radius = line.Color, draw.CircleGlyph{}, 2.4
		p.Add(line, marks)
		p.Legend.Add(l.Name, line)
	}
	p.Y.Min, p.Y.Max = 1, highest*12 // with room for the legend
	return p, nil
}

// decades marks powers of ten with plain numbers.
func decades(low, high float64) (ticks []plot.Tick) {
	for v := 1; v <= 1_000_000; v *= 10 {
		for f := 1; f < 10; f++ {
			n := float64(v * f)
			if n < low*0.999 || n > high*1.001 {
				continue
			}
			t := plot.Tick{Value: n}
			if f == 1 {
				t.Label = Count(v)
			}
			ticks = append(ticks, t)
		}
	}
	return ticks
}
