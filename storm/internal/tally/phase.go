package tally

import (
	"math"
	"sync/atomic"
	"time"
)

// Kind says what happens to the server while a request is in flight. Latencies are kept apart by it.
type Kind int

// The kinds.
const (
	Steady     Kind = iota // nothing
	Restarting             // a restart
	Control                // a copy of the server starts and stops
	Kinds      int  = iota // the number of kinds
)

// Phase records when a restart or a control is under way. One goroutine calls Begin and End; any may call Touched.
type Phase struct {
	kind  atomic.Int64 // of the last Begin
	begun atomic.Int64 // UnixNano of the last Begin, 0 before the first
	ended atomic.Int64 // UnixNano of the last End, MaxInt64 while one is under way
}

// Begin says that a restart or a control begins.
func (p *Phase) Begin(k Kind, now time.Time) {
	p.kind.Store(int64(k))
	p.ended.Store(math.MaxInt64)
	p.begun.Store(now.UnixNano())
}

// End says that it is over.
func (p *Phase) End(now time.Time) { p.ended.Store(now.UnixNano()) }

// Touched returns the kind of a request that took from start to end: that of the last phase it overlapped. A request that
// is longer than the pause between two phases overlaps both, and counts for the later one.
func (p *Phase) Touched(start, end time.Time) Kind {
	b := p.begun.Load()
	if b != 0 && end.UnixNano() >= b && start.UnixNano() <= p.ended.Load() {
		return Kind(p.kind.Load())
	}
	return Steady
}
