package picture

import (
	"image/color"

	"gonum.org/v1/plot/font"
	"gonum.org/v1/plot/text"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
)

// Colours that differ in brightness too, for readers who cannot tell red from green.
var (
	Paper     = color.NRGBA{0xff, 0xff, 0xff, 0xff}
	Ink       = color.NRGBA{0x24, 0x29, 0x2f, 0xff}
	Grey      = color.NRGBA{0x6e, 0x77, 0x81, 0xff}
	Pale      = color.NRGBA{0xe6, 0xe8, 0xeb, 0xff}
	Blue      = color.NRGBA{0x1f, 0x5f, 0xa8, 0xff}
	LightBlue = color.NRGBA{0x9c, 0xc3, 0xe8, 0xff}
	Red       = color.NRGBA{0xc8, 0x2a, 0x2a, 0xff}
	Green     = color.NRGBA{0x2e, 0x8b, 0x57, 0xff}
)

// Sizes of letters. 10 points are 13 pixels at the full width, and 8 on a telephone.
const (
	Small  = 10
	Normal = 11
	Large  = 13
)

// Sans returns the font of all letters in that many points.
func Sans(points float64) font.Font {
	return font.Font{Typeface: "Liberation", Variant: "Sans", Size: vg.Points(points)}
}

// Bold returns the same font in bold.
func Bold(points float64) font.Font {
	f := Sans(points)
	f.Weight = 3 // golang.org/x/image/font.WeightBold
	return f
}

// Words returns a style for text that begins at its point and stands on its middle.
func Words(f font.Font, c color.Color) draw.TextStyle {
	return draw.TextStyle{Color: c, Font: f, XAlign: draw.XLeft, YAlign: draw.YCenter, Handler: handler}
}

var handler = text.Plain{Fonts: font.DefaultCache}

// Dashes is the pattern of the line that marks a restart.
func Dashes() []vg.Length { return []vg.Length{vg.Points(3), vg.Points(2.5)} }
