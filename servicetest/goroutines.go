package servicetest

import (
	"fmt"
	"regexp"
	"runtime"
	"strings"
	"time"
)

// A goroutineSet is the set of goroutines at some moment, by their numbers.
type goroutineSet map[string]bool

var goroutineHeader = regexp.MustCompile(`^goroutine (\d+) `)

func goroutines() goroutineSet {
	set := make(goroutineSet)
	for _, g := range stacks() {
		set[goroutineHeader.FindString(g)] = true
	}
	return set
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

// A leakError says that goroutines are left.
type leakError struct {
	after time.Duration
	left  []string // their stacks
}

func (e *leakError) Error() string {
	return fmt.Sprintf("%d goroutines still run %v after the service has ended, such as\n%s", len(e.left), e.after, e.left[0])
}

// left returns a *leakError if goroutines stay that are not in before. They get
// some time to end.
func (before goroutineSet) left(within time.Duration) error {
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	bound := time.NewTimer(within)
	defer bound.Stop()
	for {
		var left []string
		for _, g := range stacks() {
			if !before[goroutineHeader.FindString(g)] {
				left = append(left, g)
			}
		}
		if len(left) == 0 {
			return nil
		}
		select {
		case <-tick.C:
		case <-bound.C:
			return &leakError{within, left}
		}
	}
}
