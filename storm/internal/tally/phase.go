package tally

import (
	"math"
	"sync/atomic"
	"time"
)

// Kind is what happens to the server while a request is under way. Latencies are kept apart by it.
type Kind int

// Kinds.
const (
	Steady     Kind = iota // nothing
	Restarting             // a restart
	Control                // another copy of the server is started and stopped
	Kinds      int  = iota
)

// Phase knows what happens, so that its latencies can be kept apart. One goroutine calls Begin and End; any may ask.
type Phase struct {
	kind  atomic.Int64 // of the last Begin
	begun atomic.Int64 // UnixNano of the last Begin, 0 before the first
	ended atomic.Int64 // UnixNano of the last End, MaxInt64 while one is under way
}

// Begin says that a restart or a control starts now.
func (p *Phase) Begin(k Kind, now time.Time) {
	p.kind.Store(int64(k))
	p.ended.Store(math.MaxInt64)
	p.begun.Store(now.UnixNano())
}

// End says that it is over.
func (p *Phase) End(now time.Time) { p.ended.Store(now.UnixNano()) }

// Touched returns what overlapped with something that took from start to end: the latest. A request that is longer than
// the pause between two restarts belongs to the later one, which is as true.
func (p *Phase) Touched(start, end time.Time) Kind {
	b := p.begun.Load()
	if b != 0 && end.UnixNano() >= b && start.UnixNano() <= p.ended.Load() {
		return Kind(p.kind.Load())
	}
	return Steady
}
