package compare

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"

	"example.com/restart/storm/internal/picture"
	"example.com/restart/storm/report"
)

// Measures of the picture, in points.
const (
	margin     = 12
	nameColumn = 90  // left of the charts
	scaleWidth = 26  // between the names and the charts, for the numbers of the scale
	sumColumn  = 102 // right of the charts
	headHeight = 62
	axisHeight = 30
	aliveStrip = 34
	lossStrip  = 16
	rowGap     = 14
	lineHeight = 13 // of a note
)

// quiet is how many seconds the time axis goes on after the last event of all runs. A server whose old process stays until
// storm gives up would press the others into a corner.
const quiet = 5

// Plot draws all contestants to one file, as SVG or PNG by its extension. Each has a row with its connections that are
// still alive and the requests that it lost, over the same time and on the same scale of losses.
func Plot(path string, results []Result) error {
	c := chart{results: results, mostLost: 1}
	for _, r := range results {
		if r.Report == nil {
			continue
		}
		c.seconds = max(c.seconds, min(lastEvent(r.Report)+quiet, loadEnd(r.Report)))
		for _, m := range r.Report.Timeline {
			c.mostLost = max(c.mostLost, m.Lost)
		}
	}
	if c.seconds == 0 {
		return fmt.Errorf("storm: draw %s: %w", path, errors.New("no server ran"))
	}
	height := vg.Length(headHeight + axisHeight)
	for _, r := range results {
		height += rowHeight(r)
	}
	return picture.Draw(path, height, func(page draw.Canvas) error {
		c.page = page
		c.draw()
		return nil
	})
}

// loadEnd is when the load of a run stopped.
func loadEnd(r *report.Report) float64 {
	if r.LoadSeconds == 0 && len(r.Timeline) > 0 {
		return r.Timeline[len(r.Timeline)-1].At
	}
	return r.LoadSeconds
}

// lastEvent is when a restart began, a request was lost or a connection ended for the last time.
func lastEvent(r *report.Report) (at float64) {
	for _, x := range r.Restarts {
		at = max(at, x.At)
	}
	alive := r.Kept
	for _, m := range r.Timeline {
		if m.Lost > 0 || m.Surviving != alive {
			at = max(at, m.At)
		}
		alive = m.Surviving
	}
	return at
}

func rowHeight(r Result) vg.Length {
	if r.Report == nil {
		return lineHeight + rowGap
	}
	name := vg.Length(len(nameLines(r.Name))+1) * (lineHeight + 1) // and the small print below it
	return max(name, aliveStrip+lossStrip+vg.Length(len(notes(r.Report)))*lineHeight) + rowGap
}

// chart is the picture while it is drawn.
type chart struct {
	results  []Result
	seconds  float64 // the length of the time axis
	mostLost int64   // in one moment, of all contestants
	page     draw.Canvas
}

func (c *chart) left() vg.Length  { return margin + nameColumn + scaleWidth }
func (c *chart) right() vg.Length { return c.page.Max.X - margin - sumColumn }

// x is the place of a moment.
func (c *chart) x(at float64) vg.Length {
	return c.left() + (c.right()-c.left())*vg.Length(min(at, c.seconds)/c.seconds)
}

func (c *chart) draw() {
	c.head()
	top := c.page.Max.Y - headHeight
	for _, r := range c.results {
		if r.Report == nil {
			c.absent(r, top)
		} else {
			c.row(r, top)
		}
		top -= rowHeight(r)
	}
	c.axis(top + rowGap/2)
}

// head is the legend.
func (c *chart) head() {
	y := c.page.Max.Y - margin - 8
	const line = 17
	words := picture.Words(picture.Sans(picture.Normal), picture.Ink)
	x := vg.Length(margin)
	item := func(text string, mark func(x vg.Length)) {
		mark(x)
		c.page.FillText(words, vg.Point{X: x + 20, Y: y}, text)
		x += 20 + words.Width(text) + 18
	}
	item("connections alive", func(x vg.Length) {
		picture.Fill(c.page, box(x, y-4, x+15, y+4), picture.LightBlue)
		c.page.StrokeLine2(draw.LineStyle{Color: picture.Blue, Width: 1.4}, x, y+4, x+15, y+4)
	})
	item("restart", func(x vg.Length) { c.dashed(x+8, y-6, y+6) })
	x, y = margin, y-line
	item(fmt.Sprintf("requests lost in a tenth of a second (full height: %d)", c.mostLost), func(x vg.Length) {
		picture.Fill(c.page, box(x+6, y-5, x+9, y+5), picture.Red)
	})
}

// row draws one contestant below top.
func (c *chart) row(r Result, top vg.Length) {
	x := r.Report
	aliveBase, lossBase := top-aliveStrip, top-aliveStrip-lossStrip
	c.name(r.Name, fmt.Sprintf("%d of %d restarts", len(x.Restarts)-len(x.Failed()), len(x.Restarts)), top)
	c.alive(x, top, aliveBase)
	c.end(loadEnd(x), aliveBase)
	c.losses(x, aliveBase-2, lossBase)
	for _, restart := range x.Restarts {
		c.dashed(c.x(restart.At), lossBase, top)
	}

	sum := picture.Words(picture.Bold(picture.Normal), picture.Ink)
	if x.Lost > 0 {
		sum.Color = picture.Red
	}
	c.page.FillText(sum, vg.Point{X: c.right() + 10, Y: lossBase + lossStrip/2}, fmt.Sprintf("%d lost", x.Lost))
	sum.Color = picture.Blue
	c.page.FillText(sum, vg.Point{X: c.right() + 10, Y: top - aliveStrip/2}, fmt.Sprintf("%d of %d alive", x.Survived, x.Kept))

	small := picture.Words(picture.Sans(picture.Small), picture.Grey)
	for i, note := range notes(x) {
		c.page.FillText(small, vg.Point{X: c.left(), Y: lossBase - 1 - lineHeight*(vg.Length(i)+0.5)}, note)
	}
}

// name writes the name of a contestant, on several lines if it is long, and the small print below it.
func (c *chart) name(name, below string, top vg.Length) {
	y := top - 7
	for _, line := range nameLines(name) {
		c.page.FillText(nameStyle(), vg.Point{X: margin, Y: y}, line)
		y -= lineHeight + 1
	}
	small := picture.Words(picture.Sans(picture.Small), picture.Grey)
	c.page.FillText(small, vg.Point{X: margin, Y: y - 1}, below)
}

func nameStyle() draw.TextStyle { return picture.Words(picture.Bold(picture.Large), picture.Ink) }

func nameLines(name string) []string {
	return wrap(name, func(s string) bool { return nameStyle().Width(s) <= nameColumn })
}

// wrap breaks a name after spaces and hyphens into lines that fit, if it has enough of them.
func wrap(name string, fits func(string) bool) (lines []string) {
	line := ""
	for rest := name; rest != ""; {
		n := strings.IndexAny(rest, " -") + 1
		if n == 0 {
			n = len(rest)
		}
		if line != "" && !fits(strings.TrimSpace(line+rest[:n])) {
			lines = append(lines, strings.TrimSpace(line))
			line = ""
		}
		line += rest[:n]
		rest = rest[n:]
	}
	return append(lines, strings.TrimSpace(line))
}

// alive draws the connections that are still those of the beginning, as steps.
func (c *chart) alive(r *report.Report, top, base vg.Length) {
	y := func(n int) vg.Length { return base + (top-base)*vg.Length(n)/vg.Length(max(1, r.Kept)) }
	end := loadEnd(r)
	line := []vg.Point{{X: c.x(0), Y: y(r.Kept)}}
	for _, m := range r.Timeline {
		if m.At > end {
			break
		}
		if y(m.Surviving) == line[len(line)-1].Y {
			continue // as before: a line of a thousand points would be a large file
		}
		line = append(line, vg.Point{X: c.x(m.At), Y: line[len(line)-1].Y}, vg.Point{X: c.x(m.At), Y: y(m.Surviving)})
	}
	line = append(line, vg.Point{X: c.x(end), Y: line[len(line)-1].Y})
	area := append([]vg.Point{{X: c.x(0), Y: base}}, line...)
	c.page.FillPolygon(picture.LightBlue, append(area, vg.Point{X: c.x(end), Y: base}))
	c.page.StrokeLines(draw.LineStyle{Color: picture.Blue, Width: 1.4}, line)
	c.scale(strconv.Itoa(r.Kept), top-4)
	c.scale("0", base)
}

// end says that an earlier run has ended. Else the rest of its row would look like a loss of everything.
func (c *chart) end(at float64, base vg.Length) {
	style := picture.Words(picture.Sans(picture.Small), picture.Grey)
	if text := "end of the run"; c.x(at)+6+style.Width(text) < c.right() {
		c.page.FillText(style, vg.Point{X: c.x(at) + 6, Y: base + 5}, text)
	}
}

// losses draws a bar for each moment in which a request was lost. Even a single one is high enough to be seen.
func (c *chart) losses(r *report.Report, top, base vg.Length) {
	c.page.StrokeLine2(draw.LineStyle{Color: picture.Pale, Width: 1}, c.x(0), base, c.x(loadEnd(r)), base)
	for _, m := range r.Timeline {
		if m.Lost > 0 {
			height := max(3, (top-base)*vg.Length(m.Lost)/vg.Length(c.mostLost))
			picture.Fill(c.page, box(c.x(m.At)-1.2, base, c.x(m.At)+1.2, base+height), picture.Red)
		}
	}
}

// absent says why a contestant did not run.
func (c *chart) absent(r Result, top vg.Length) {
	why, _, _ := strings.Cut(r.Err.Error(), "\n")
	c.page.FillText(nameStyle(), vg.Point{X: margin, Y: top - 7}, r.Name)
	c.page.FillText(picture.Words(picture.Sans(picture.Small), picture.Grey), vg.Point{X: c.left(), Y: top - 7}, why)
}

// axis draws the time below all rows.
func (c *chart) axis(y vg.Length) {
	thin := draw.LineStyle{Color: picture.Grey, Width: 0.8}
	c.page.StrokeLine2(thin, c.left(), y, c.right(), y)
	label := picture.Words(picture.Sans(picture.Small), picture.Ink)
	label.XAlign = draw.XCenter
	for _, t := range (picture.Seconds{}).Ticks(0, c.seconds) {
		x := c.x(t.Value)
		c.page.StrokeLine2(thin, x, y, x, y-4)
		c.page.FillText(label, vg.Point{X: x, Y: y - 10}, t.Label)
	}
	label.XAlign = draw.XLeft
	c.page.FillText(label, vg.Point{X: c.right() + 10, Y: y - 10}, "seconds")
}

// scale writes a number left of a chart.
func (c *chart) scale(text string, y vg.Length) {
	style := picture.Words(picture.Sans(picture.Small), picture.Grey)
	style.XAlign = draw.XRight
	c.page.FillText(style, vg.Point{X: c.left() - 5, Y: y}, text)
}

// dashed marks a restart.
func (c *chart) dashed(x, bottom, top vg.Length) {
	c.page.StrokeLine2(draw.LineStyle{Color: picture.Grey, Width: 0.8, Dashes: picture.Dashes()}, x, bottom, x, top)
}

func box(x1, y1, x2, y2 vg.Length) vg.Rectangle {
	return vg.Rectangle{Min: vg.Point{X: x1, Y: y1}, Max: vg.Point{X: x2, Y: y2}}
}
