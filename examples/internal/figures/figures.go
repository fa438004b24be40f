// Package figures writes measured numbers into a page of the documentation.
package figures

import (
	"bytes"
	"fmt"
	"math"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Table returns rows as a Markdown table. The first row is the heading.
func Table(rows [][]string) string {
	var b strings.Builder
	for i, row := range rows {
		fmt.Fprintf(&b, "| %s |\n", strings.Join(row, " | "))
		if i == 0 {
			b.WriteString("|" + strings.Repeat("---|", len(row)) + "\n")
		}
	}
	return b.String()
}

// Insert puts text into the page at path, between the lines
// "<!-- NAME: begin -->" and "<!-- NAME: end -->".
func Insert(path, name, text string) error {
	page, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	begin, end := fmt.Appendf(nil, "<!-- %s: begin -->\n", name), fmt.Appendf(nil, "<!-- %s: end -->\n", name)
	head, rest, ok := bytes.Cut(page, begin)
	if !ok {
		return fmt.Errorf("insert into %s: no line %q", path, begin)
	}
	_, tail, ok := bytes.Cut(rest, end)
	if !ok {
		return fmt.Errorf("insert into %s: no line %q", path, end)
	}
	return os.WriteFile(path, slices.Concat(head, begin, []byte(text), end, tail), 0o644)
}

// Median returns the value in the middle, and NaN of none.
func Median(values []float64) float64 {
	if len(values) == 0 {
		return math.NaN()
	}
	sorted := slices.Sorted(slices.Values(values))
	if n := len(sorted); n%2 == 0 {
		return (sorted[n/2-1] + sorted[n/2]) / 2
	}
	return sorted[len(sorted)/2]
}

// Milliseconds returns d in milliseconds.
func Milliseconds(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }

// Short returns a number with three digits that count.
func Short(v float64) string {
	decimals := 0
	switch {
	case math.Abs(v) < 10:
		decimals = 2
	case math.Abs(v) < 100:
		decimals = 1
	}
	return strconv.FormatFloat(v, 'f', decimals, 64)
}

// Count returns a number with commas between thousands.
func Count(n int) string {
	s := strconv.Itoa(n)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}
