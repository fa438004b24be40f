package tally

import (
	"io"
	"testing"
	"time"
)

func TestClass(t *testing.T) {
	var p Phase
	c := NewClass("test", &p)
	start := time.Unix(100, 0)
	after := func(d time.Duration) time.Time { return start.Add(d) }
	c.Record(start, after(5*time.Millisecond), 10, nil)
	p.Begin(Restarting, after(time.Second))
	c.Record(after(time.Second), after(time.Second+50*time.Millisecond), 10, nil)
	for range 20 {
		c.Record(start, after(time.Hour), 0, io.ErrUnexpectedEOF)
	}
	c.Record(after(2*time.Second), after(2*time.Second), 10, nil)   // below the lowest value
	c.RecordLatency(start, after(time.Hour), 2*time.Hour, 10, nil)  // above the highest
	c.RecordLatency(start, after(time.Hour), -time.Second, 10, nil) // a clock that went back
	c.Resent()
	c.ClosedIdle()
	c.AnnouncedClose()

	got := c.Totals()
	if got.Requests() != 25 || got.Lost() != 20 || got.Outcomes[Reset] != 20 || got.Outcomes[Answered] != 5 {
		t.Errorf("got %+v, want 25 requests, 20 reset", got)
	}
	if len(got.Losses) != samples {
		t.Errorf("got %d losses told, want %d", len(got.Losses), samples)
	}
	if got.Resent != 1 || got.ClosedIdle != 1 || got.Announced != 1 {
		t.Errorf("got %+v, want one of each", got)
	}
	steady, restarting := c.Histogram(Steady), c.Histogram(Restarting)
	if steady.TotalCount() != 1 || restarting.TotalCount() != 4 {
		t.Errorf("got %d steady and %d restarting, want 1 and 4: losses have no latency", steady.TotalCount(), restarting.TotalCount())
	}
	if v := steady.Max(); v < 5000 || v > 5010 {
		t.Errorf("got %d µs, want 5000", v)
	}
	h := NewBucket()
	if lost := c.Cut(h); lost != 20 || h.TotalCount() != 5 {
		t.Errorf("first cut: got %d lost, %d answered, want 20, 5", lost, h.TotalCount())
	}
	h.Reset()
	if lost := c.Cut(h); lost != 0 || h.TotalCount() != 0 {
		t.Errorf("second cut: got %d lost, %d answered, want none", lost, h.TotalCount())
	}
}
