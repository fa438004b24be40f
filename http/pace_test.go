package restarthttp

import (
	"context"
	"testing"
	"testing/synctest"
	"time"
)

// However many there are, the moves are spread over moveTime, and few are on
// the way at a time.
func TestPace(t *testing.T) {
	for _, tt := range []struct {
		conns, atOnce int
		took          time.Duration
	}{
		{0, fewestAtOnce, 0},
		{1, fewestAtOnce, 0},
		{20, fewestAtOnce, 19 * longestPause},
		{200, fewestAtOnce, 199 * longestPause},
		{1_000, 15, moveTime},
		{100_000, mostAtOnce, moveTime},
	} {
		synctest.Test(t, func(t *testing.T) {
			p := newMovePace(tt.conns)
			if got := cap(p.moving); got != tt.atOnce {
				t.Errorf("%d connections: got %d at once, want %d", tt.conns, got, tt.atOnce)
			}
			began := time.Now()
			for i := range tt.conns {
				if !p.next(t.Context()) {
					t.Fatalf("%d connections: got false for number %d", tt.conns, i)
				}
				p.done()
			}
			// The last ones may be ahead of their turn.
			if got := time.Since(began); got > tt.took || got < tt.took-longestLead {
				t.Errorf("%d connections: took %v, want %v", tt.conns, got, tt.took)
			}
		})
	}
}

// Clients are told to come back one after another, within the time for it.
func TestAnnouncePace(t *testing.T) {
	for _, tt := range []struct {
		conns        int
		within, took time.Duration
	}{
		{0, time.Second, 0},
		{1, time.Second, 0},
		{3, time.Second, 2 * longestAnnouncePause},
		{100, time.Second, 990 * time.Millisecond},
		{50_000, time.Second, time.Second},
		{50_000, 0, 0},
	} {
		synctest.Test(t, func(t *testing.T) {
			p := newAnnouncePace(tt.conns, tt.within)
			began := time.Now()
			for i := range tt.conns {
				if !p.next(t.Context()) {
					t.Fatalf("%d connections: got false for number %d", tt.conns, i)
				}
			}
			if got := time.Since(began); got > tt.took || got < tt.took-longestLead {
				t.Errorf("%d connections within %v: took %v, want %v", tt.conns, tt.within, got, tt.took)
			}
		})
	}
}

// Who is late does not hurry afterwards, and who is not wanted any more stops.
func TestPaceIsHeldUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newMovePace(100)
		for range fewestAtOnce {
			p.next(t.Context())
		}
		time.AfterFunc(time.Second, p.done)
		began := time.Now()
		p.next(t.Context())
		if got := time.Since(began); got != time.Second {
			t.Errorf("with all on the way: waited %v, want the second until one has arrived", got)
		}
		for range longestLead / longestPause {
			p.done()
			p.next(t.Context())
		}
		if got := time.Since(began); got != time.Second+longestLead {
			t.Errorf("after being held up: the next ones went after %v, want their turns of %v to be kept", got-time.Second, longestLead)
		}

		for range longestLead/longestPause - 1 {
			p.done()
			p.next(t.Context())
		}
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(longestPause, cancel)
		p.done()
		if p.next(ctx) {
			t.Error("a pause, context ended: got true, want false")
		}
		if got := time.Since(began); got != time.Second+longestLead+longestPause {
			t.Errorf("a pause, context ended: went on after %v, want the end of the context", got-time.Second-longestLead)
		}
		if got, want := len(p.moving), fewestAtOnce-1; got != want {
			t.Errorf("got %d tokens taken, want %d", got, want)
		}
		for range 20 { // a select picks at random
			if newMovePace(1).next(ctx) {
				t.Fatal("context ended before: got true, want false")
			}
		}

		p.next(t.Context())
		ctx, cancel = context.WithCancel(t.Context())
		time.AfterFunc(time.Second, cancel)
		if p.next(ctx) {
			t.Error("all on the way, context ended: got true, want false")
		}
	})
}
