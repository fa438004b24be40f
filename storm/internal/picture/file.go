// Package picture draws charts to SVG and PNG files. It knows paper, ink, axes and letters, and nothing of storm.
package picture

import (
	"bytes"
	"fmt"
	"image/color"
	"os"
	"path/filepath"
	"strings"

	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
	"gonum.org/v1/plot/vg/vgimg"
	"gonum.org/v1/plot/vg/vgsvg"
)

const (
	// Width is 640 pixels in a browser. A telephone shows it in 370, so letters that are legible there are the measure.
	Width = 640 * vg.Inch / cssDPI
	// cssDPI is the resolution at which browsers show an SVG.
	cssDPI = 96
	// pngDPI gives a PNG two pixels for each one of a browser, for screens with a high resolution.
	pngDPI = 2 * cssDPI
)

// CanDraw returns an error if Draw cannot write to a file of that name.
func CanDraw(path string) error {
	switch ext := strings.ToLower(filepath.Ext(path)); ext {
	case ".svg", ".png":
		return nil
	default:
		return fmt.Errorf("storm: draw %s: the file must end in .svg or .png", path)
	}
}

// Draw writes a picture of the given height to a file, as SVG or PNG by its extension. The picture has its own background,
// so that it looks the same on a white page and on a dark one.
func Draw(path string, height vg.Length, drawOn func(draw.Canvas) error) error {
	if err := CanDraw(path); err != nil {
		return err
	}
	var canvas interface {
		vg.CanvasWriterTo
		vg.CanvasSizer
	}
	svg := strings.EqualFold(filepath.Ext(path), ".svg")
	if svg {
		canvas = vgsvg.New(Width, height)
	} else {
		canvas = vgimg.PngCanvas{Canvas: vgimg.NewWith(
			vgimg.UseWH(Width, height), vgimg.UseDPI(pngDPI), vgimg.UseBackgroundColor(color.White))}
	}
	page := draw.New(canvas)
	page.FillPolygon(Paper, corners(page.Rectangle))
	if err := drawOn(page); err != nil {
		return fmt.Errorf("storm: draw %s: %w", path, err)
	}
	var b bytes.Buffer
	if _, err := canvas.WriteTo(&b); err != nil {
		return fmt.Errorf("storm: draw %s: %w", path, err)
	}
	content := b.Bytes()
	if svg {
		content = withFallbackFonts(content)
	}
	if err := os.WriteFile(path, content, 0o644); err != nil {
		return fmt.Errorf("storm: draw: %w", err)
	}
	return nil
}

// withFallbackFonts names fonts with the same widths. An SVG that names one font alone is shown with serifs where that
// font is not installed.
func withFallbackFonts(svg []byte) []byte {
	return bytes.ReplaceAll(svg, []byte("font-family:Liberation Sans;"),
		[]byte("font-family:Liberation Sans,Arial,Helvetica,sans-serif;"))
}

func corners(r vg.Rectangle) []vg.Point {
	return []vg.Point{r.Min, {X: r.Max.X, Y: r.Min.Y}, r.Max, {X: r.Min.X, Y: r.Max.Y}}
}

// Fill paints a rectangle.
func Fill(c draw.Canvas, r vg.Rectangle, with color.Color) { c.FillPolygon(with, corners(r)) }
