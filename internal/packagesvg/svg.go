package packagesvg

import (
	"bytes"
	"fmt"
	"strings"
)

const (
	margin    = 24.0
	boxHeight = 34.0
	rowHeight = 76.0
	keyHeight = 30.0 // of a line of the key
	keyWidth  = 200.0
)

const head = `<svg xmlns="http://www.w3.org/2000/svg" width="%.0f" height="%.0f" viewBox="0 0 %.0f %.0f" font-family="system-ui, -apple-system, 'Segoe UI', 'DejaVu Sans', sans-serif" font-size="14" role="img" aria-labelledby="title desc">
  <!-- made by go test ./internal/packagesvg -update -->
  <title id="title">The packages and who imports whom</title>
  <desc id="desc">%s.</desc>
  <defs>
    <marker id="tip" viewBox="0 0 10 10" refX="9" refY="5" markerWidth="8" markerHeight="8" orient="auto">
      <path d="M0 0 L10 5 L0 10 z" fill="#57606a"/>
    </marker>
  </defs>
  <style>
    rect { stroke: #57606a; stroke-width: 1.2; }
    .command { fill: #ffffff; stroke-dasharray: 4 3; }
    .public { fill: #ddf4e4; }
    .root { fill: #cfe3fb; }
    .internal { fill: #fdf1d0; }
    .arrow { stroke: #57606a; stroke-width: 1.3; fill: none; marker-end: url(#tip); }
    text { fill: #1f2328; text-anchor: middle; font-weight: 600; }
    .key { text-anchor: start; font-weight: 400; }
  </style>
  <rect x="1" y="1" width="%.0f" height="%.0f" rx="10" fill="#f6f8fa" style="stroke:#8c959f"/>
`

// draw returns the picture of a graph.
func draw(g graph) []byte {
	g = g.reduced()
	l := newLayout(g)
	width := 0.0
	for _, row := range l.rows {
		last := row[len(row)-1]
		width = max(width, last.x+last.width/2)
	}
	width += 2 * margin
	rows := float64(len(l.rows)-1)*rowHeight + boxHeight + 2*margin
	height := rows + 2*keyHeight + margin/2

	var b bytes.Buffer
	fmt.Fprintf(&b, head, width, height, width, height, describe(l), width-2, height-2)
	for _, e := range l.edges {
		fmt.Fprintf(&b, "  <path class=\"arrow\" d=\"%s\"/>\n", path(e))
	}
	for _, row := range l.rows {
		for _, n := range row {
			if n.name == "" {
				continue
			}
			x, y := margin+n.x, top(n)
			fmt.Fprintf(&b, "  <rect class=\"%s\" x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" height=\"%.0f\" rx=\"6\"/>", kindOf(n.name), x-n.width/2, y, n.width, boxHeight)
			fmt.Fprintf(&b, "<text x=\"%.1f\" y=\"%.1f\">%s</text>\n", x, y+boxHeight/2+5, label(n.name))
		}
	}
	for i, k := range []struct {
		kind kind
		text string
	}{{command, "programs"}, {public, "packages for you"}, {root, "the root package"}, {internal, "internal/…"}} {
		x, y := (width-2*keyWidth)/2+keyWidth*float64(i%2), rows+keyHeight*float64(i/2)
		fmt.Fprintf(&b, "  <rect class=\"%s\" x=\"%.1f\" y=\"%.1f\" width=\"30\" height=\"18\" rx=\"4\"/>", k.kind, x, y)
		fmt.Fprintf(&b, "<text class=\"key\" x=\"%.1f\" y=\"%.1f\">%s</text>\n", x+40, y+14, k.text)
	}
	b.WriteString("</svg>\n")
	return b.Bytes()
}

// label returns what stands in the box of a package. The colour says the rest.
func label(name string) string { return strings.TrimPrefix(name, "internal/") }

func top(n *node) float64 { return margin + float64(n.row)*rowHeight }

// path returns the line of an arrow.
func path(e edge) string {
	var b strings.Builder
	fmt.Fprintf(&b, "M%.1f %.1f", margin+e[0].x, top(e[0])+boxHeight)
	for i := 1; i < len(e); i++ {
		from, to := e[i-1], e[i]
		x1, y1, x2, y2 := margin+from.x, top(from)+boxHeight, margin+to.x, top(to)
		fmt.Fprintf(&b, " C%.1f %.1f %.1f %.1f %.1f %.1f", x1, (y1+y2)/2, x2, (y1+y2)/2, x2, y2)
		if i < len(e)-1 {
			fmt.Fprintf(&b, " V%.1f", y2+boxHeight)
		}
	}
	return b.String()
}

// describe returns the arrows in words.
func describe(l *layout) string {
	var parts []string
	for i := 0; i < len(l.edges); {
		from := l.edges[i][0]
		var imports []string
		for ; i < len(l.edges) && l.edges[i][0] == from; i++ {
			imports = append(imports, l.edges[i][len(l.edges[i])-1].name)
		}
		parts = append(parts, from.name+" imports "+strings.Join(imports, ", "))
	}
	return strings.Join(parts, "; ")
}
