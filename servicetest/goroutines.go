package servicetest

import (
	"fmt"
	"regexp"
	"runtime"
	"strings"
	"time"
)

// A census is the set of goroutines at some moment, by their numbers.
type census map[string]bool

var header = regexp.MustCompile(`^goroutine (\d+) `)

func goroutines() census {
	c := make(census)
	for _, g := range stacks() {
		c[header.FindString(g)] = true
	}
	return c
}

// stacks returns one text for each goroutine.
func stacks() []string {
	b := make([]byte, 1<<16)
	for {
		if n := runtime.Stack(b, true); n < len(b) {
			return strings.Split(string(b[:n]), "\n\n")
		}
		b = make([]byte, 2*len(b))
	}
}

// left returns an error if goroutines stay that were not there when c was
// taken. They get some time to end.
func (c census) left(within time.Duration) error {
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	bound := time.NewTimer(within)
	defer bound.Stop()
	for {
		var more []string
		for _, g := range stacks() {
			if !c[header.FindString(g)] {
				more = append(more, g)
			}
		}
		if len(more) == 0 {
			return nil
		}
		select {
		case <-tick.C:
		case <-bound.C:
			return fmt.Errorf("%d goroutines are left after %v, such as\n%s", len(more), within, more[0])
		}
	}
}
