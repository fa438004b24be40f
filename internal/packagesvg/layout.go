package packagesvg

import (
	"maps"
	"math"
	"slices"
)

// A layout has rows of nodes. Arrows lead from each row to the next one: where one
// is longer, it bends at nodes without a name.
type layout struct {
	rows  [][]*node
	edges []edge
}

type node struct {
	name  string
	row   int
	width float64
	x     float64 // of its middle
	index int     // in its row
	above []*node
	below []*node
}

// An edge is an arrow, by all nodes that it touches.
type edge []*node

const (
	gap       = 14.0 // between two nodes of a row
	bendWidth = 4.0
)

// newLayout lays a graph out without cycles, as Sugiyama does: rows, then the order
// in each that makes few arrows cross, then the places.
func newLayout(g graph) *layout {
	l := new(layout)
	rank := ranks(g)
	nodes := make(map[string]*node)
	for _, name := range g.names() {
		nodes[name] = l.add(name, rank[name], width(label(name)))
	}
	for _, from := range g.names() {
		for _, to := range slices.Sorted(maps.Keys(g[from])) {
			e := edge{nodes[from]}
			for row := rank[from] + 1; row < rank[to]; row++ {
				e = append(e, l.add("", row, bendWidth))
			}
			l.edges = append(l.edges, append(e, nodes[to]))
		}
	}
	for _, e := range l.edges {
		for i := 1; i < len(e); i++ {
			e[i-1].below, e[i].above = append(e[i-1].below, e[i]), append(e[i].above, e[i-1])
		}
	}
	l.order()
	l.place()
	return l
}

// width estimates what a label in bold letters of 14 pixels needs, in a wide font.
func width(label string) float64 { return 9.4*float64(len(label)) + 18 }

func (l *layout) add(name string, row int, width float64) *node {
	for len(l.rows) <= row {
		l.rows = append(l.rows, nil)
	}
	n := &node{name: name, row: row, width: width, index: len(l.rows[row])}
	l.rows[row] = append(l.rows[row], n)
	return n
}

// ranks returns the row of each package: below all that import it, and a package
// for users right above what it imports.
func ranks(g graph) map[string]int {
	rank := make(map[string]int)
	for changed := true; changed; {
		changed = false
		for from, imports := range g {
			for to := range imports {
				if rank[to] <= rank[from] {
					rank[to], changed = rank[from]+1, true
				}
			}
		}
	}
	for changed := true; changed; {
		changed = false
		for from, imports := range g {
			if kindOf(from) != public || len(imports) == 0 {
				continue
			}
			lowest := len(g)
			for to := range imports {
				lowest = min(lowest, rank[to]-1)
			}
			if rank[from] < lowest {
				rank[from], changed = lowest, true
			}
		}
	}
	return rank
}

// sweeps is how often the order is improved. More change nothing.
const sweeps = 40

// order sorts each row by where the neighbours in the row above, then below, stand,
// and keeps the best of what it has seen.
func (l *layout) order() {
	best, fewest := l.indexes(), l.crossings()
	for sweep := range sweeps {
		for i := range l.rows {
			row, down := l.rows[i], sweep%2 == 0
			if !down {
				row = l.rows[len(l.rows)-1-i]
			}
			slices.SortStableFunc(row, func(a, b *node) int {
				switch x, y := a.middle(down), b.middle(down); {
				case x < y:
					return -1
				case x > y:
					return 1
				}
				return 0
			})
			number(row)
		}
		if n := l.crossings(); n < fewest {
			best, fewest = l.indexes(), n
		}
	}
	for _, row := range l.rows {
		slices.SortFunc(row, func(a, b *node) int { return best[a] - best[b] })
		number(row)
	}
}

func number(row []*node) {
	for i, n := range row {
		n.index = i
	}
}

func (l *layout) indexes() map[*node]int {
	all := make(map[*node]int)
	for _, row := range l.rows {
		for _, n := range row {
			all[n] = n.index
		}
	}
	return all
}

// middle returns the mean index of the neighbours on one side.
func (n *node) middle(down bool) float64 {
	side := n.below
	if down {
		side = n.above
	}
	if len(side) == 0 {
		return float64(n.index)
	}
	sum := 0
	for _, m := range side {
		sum += m.index
	}
	return float64(sum) / float64(len(side))
}

// crossings counts the arrows that cross.
func (l *layout) crossings() (n int) {
	for _, row := range l.rows {
		for i, left := range row {
			for _, right := range row[i+1:] {
				n += crossingsOf(left, right)
			}
		}
	}
	return n
}

// crossingsOf counts the arrows down from left that cross one down from right.
func crossingsOf(left, right *node) (n int) {
	for _, x := range left.below {
		for _, y := range right.below {
			if x.index > y.index {
				n++
			}
		}
	}
	return n
}

// place finds for each node a place near its neighbours, in the order of its row.
func (l *layout) place() {
	for _, row := range l.rows {
		fit(row, func(*node) float64 { return 0 })
	}
	for range sweeps {
		for _, row := range l.rows {
			fit(row, func(n *node) float64 {
				sum, count := n.x, 1.0
				for _, m := range slices.Concat(n.above, n.below) {
					sum, count = sum+m.x, count+1
				}
				return sum / count
			})
		}
	}
	least := 0.0
	for _, row := range l.rows {
		least = min(least, row[0].x-row[0].width/2)
	}
	for _, row := range l.rows {
		for _, n := range row {
			n.x -= least
		}
	}
}

// fit places the nodes of a row as near to where they want to be as their widths
// allow, by the method of pooling adjacent violators.
func fit(row []*node, wish func(*node) float64) {
	type pool struct {
		sum   float64
		nodes int
	}
	var pools []pool
	offsets := make([]float64, len(row))
	mean := func(p pool) float64 { return p.sum / float64(p.nodes) }
	for i, n := range row {
		if i > 0 {
			offsets[i] = offsets[i-1] + row[i-1].width/2 + gap + n.width/2
		}
		pools = append(pools, pool{wish(n) - offsets[i], 1})
		for k := len(pools) - 1; k > 0 && mean(pools[k-1]) > mean(pools[k]); k-- {
			pools[k-1].sum += pools[k].sum
			pools[k-1].nodes += pools[k].nodes
			pools = pools[:k]
		}
	}
	i := 0
	for _, p := range pools {
		for range p.nodes {
			row[i].x = math.Round(mean(p)) + offsets[i] // the same on every machine
			i++
		}
	}
}
