package restarthttp

import (
	"context"
	"time"
)

const (
	// A request that comes while its connection is on the way waits until it has
	// arrived. So only a small part of all connections is on the way at a time.
	partAtOnce               = 64
	fewestAtOnce, mostAtOnce = 8, 256

	// A machine that starts a process and serves has little time to spare. Moving
	// all connections as fast as possible would take it from the requests of the
	// others, so the moves are spread: over this time, or evenly at longestPause
	// where there are few.
	moveTime     = 200 * time.Millisecond
	longestPause = time.Millisecond

	// Waking up for each would cost more than moving it. So some go at once, as
	// far ahead of their turn as this, and then there is a pause for all of them.
	longestLead = 4 * time.Millisecond

	// Clients whose connections close come back with new ones, and a handshake of
	// TLS costs more than many requests. So they are told one after another,
	// evenly over the time there is for it, at longestAnnouncePause where there
	// are few.
	longestAnnouncePause = 100 * time.Millisecond
)

// A pace says when it is the next one's turn of many connections.
type pace struct {
	moving chan struct{} // a token for each that is on the way
	pause  time.Duration // from one to the next
	due    time.Time     // the turn of the next one
}

// newMovePace is for connections that move.
func newMovePace(conns int) *pace {
	return &pace{
		moving: make(chan struct{}, min(max(conns/partAtOnce, fewestAtOnce), mostAtOnce)),
		pause:  min(moveTime/time.Duration(max(conns, 1)), longestPause),
		due:    time.Now(),
	}
}

// newAnnouncePace is for connections that are told to close. None is ever on the
// way, so all may have a token.
func newAnnouncePace(conns int, within time.Duration) *pace {
	return &pace{
		moving: make(chan struct{}, conns),
		pause:  min(within/time.Duration(max(conns, 1)), longestAnnouncePause),
		due:    time.Now(),
	}
}

// next waits for the turn of a connection; done is to be called when it has
// arrived. It reports false, and nothing may go any more, when ctx ends.
func (p *pace) next(ctx context.Context) bool {
	if ctx.Err() != nil {
		return false
	}
	select {
	case p.moving <- struct{}{}:
	case <-ctx.Done():
		return false
	}
	// What is late is not made up for: it would be a burst.
	now := time.Now()
	wait := p.due.Sub(now)
	if wait < 0 {
		p.due, wait = now, 0
	}
	p.due = p.due.Add(p.pause)
	if wait < longestLead {
		return true
	}
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		p.done()
		return false
	}
}

func (p *pace) done() { <-p.moving }
