package tally

import (
	"math"
	"sync/atomic"
	"time"
)

// Phase knows when a restart is under way, so that its latencies can be kept apart. One goroutine calls Begin and End;
// any may ask.
type Phase struct {
	begun atomic.Int64 // UnixNano of the last Begin, 0 before the first
	ended atomic.Int64 // UnixNano of the last End, MaxInt64 while one is under way
}

// Begin says that a restart starts now.
func (p *Phase) Begin(now time.Time) {
	p.ended.Store(math.MaxInt64)
	p.begun.Store(now.UnixNano())
}

// End says that it is over.
func (p *Phase) End(now time.Time) { p.ended.Store(now.UnixNano()) }

// Touches reports whether something that took from start to end overlapped with the latest restart. A request that is
// longer than the pause between two restarts belongs to the later one, which is as true.
func (p *Phase) Touches(start, end time.Time) bool {
	b := p.begun.Load()
	return b != 0 && end.UnixNano() >= b && start.UnixNano() <= p.ended.Load()
}
