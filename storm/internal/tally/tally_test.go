package tally

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"syscall"
	"testing"
	"time"

	"example.com/restart/storm/internal/rawhttp"
)

func TestClassify(t *testing.T) {
	reset := &net.OpError{Op: "read", Err: os.NewSyscallError("read", syscall.ECONNRESET)}
	tests := []struct {
		name     string
		err      error
		received int64
		want     Outcome
	}{
		{"good", nil, 100, Answered},
		{"refused", &rawhttp.DialError{Err: syscall.ECONNREFUSED}, 0, Refused},
		{"reset while connecting", &rawhttp.DialError{Err: syscall.ECONNRESET}, 0, Refused},
		{"time-out while connecting", &rawhttp.DialError{Err: context.DeadlineExceeded}, 0, TimedOut},
		{"refused, wrapped", fmt.Errorf("x: %w", &rawhttp.DialError{Err: io.EOF}), 0, Refused},
		{"reset", reset, 0, Reset},
		{"closed", io.ErrUnexpectedEOF, 0, Reset},
		{"broken pipe", syscall.EPIPE, 0, Reset},
		{"reset in the response", reset, 1, Truncated},
		{"closed in the response", io.ErrUnexpectedEOF, 1, Truncated},
		{"no HTTP", fmt.Errorf("%w: x", rawhttp.ErrMalformed), 10, Wrong},
		{"status", fmt.Errorf("%w: status 503", ErrWrong), 10, Wrong},
		{"silent", os.ErrDeadlineExceeded, 0, TimedOut},
		{"silent in the response", &net.OpError{Op: "read", Err: os.ErrDeadlineExceeded}, 10, TimedOut},
		{"TLS handshake cut", fmt.Errorf("TLS handshake: %w", io.EOF), 0, Reset},
		{"anything else", errors.New("x"), 0, Reset},
	}
	for _, tt := range tests {
		if got := Classify(tt.err, tt.received); got != tt.want {
			t.Errorf("%s: got %v, want %v", tt.name, got, tt.want)
		}
	}
}

func TestPhase(t *testing.T) {
	var p Phase
	at := func(s int) time.Time { return time.Unix(int64(s), 0) }
	check := func(when string, start, end int, want Kind) {
		t.Helper()
		if got := p.Touched(at(start), at(end)); got != want {
			t.Errorf("%s, %d to %d: got %v, want %v", when, start, end, got, want)
		}
	}
	check("before all", 1, 2, Steady)
	p.Begin(Restarting, at(10))
	check("under way", 8, 9, Steady)
	check("under way", 8, 11, Restarting)
	check("under way", 11, 99, Restarting)
	p.End(at(20))
	check("over", 19, 21, Restarting)
	check("over", 5, 30, Restarting)
	check("over", 21, 22, Steady)
	p.Begin(Control, at(30))
	check("second", 21, 29, Steady)
	check("second", 21, 31, Control)
}

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
