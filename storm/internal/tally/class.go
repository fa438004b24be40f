package tally

import (
	"fmt"
	"sync"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
)

const (
	lowest  = 1              // µs
	highest = 60 * 1_000_000 // µs: longer than any time-out
	samples = 6              // losses told one by one for each class
)

// Loss is one request that was not answered.
type Loss struct {
	At      time.Time
	Outcome Outcome
	Why     string
}

// Class keeps the books of one class of load. All methods may be called from any goroutine.
type Class struct {
	Name  string
	phase *Phase

	mu         sync.Mutex
	outcomes   [Outcomes]int64
	latencies  [Kinds]*hdrhistogram.Histogram
	bucket     *hdrhistogram.Histogram // since the last Cut
	bucketLost int64
	losses     []Loss

	closedIdle, announced, resent int64
}

// NewClass makes the books of a class.
func NewClass(name string, phase *Phase) *Class {
	c := &Class{Name: name, phase: phase, bucket: hdrhistogram.New(lowest, highest, 2)}
	for k := range c.latencies {
		c.latencies[k] = NewHistogram()
	}
	return c
}

// Record enters a request that ended, its latency counted from start: the moment it was to be sent. Latencies of
// requests that were lost are not kept: a quick reset would improve the percentiles.
func (c *Class) Record(start, end time.Time, received int64, err error) Outcome {
	return c.RecordLatency(start, end, end.Sub(start), received, err)
}

// RecordLatency is Record for a request whose duration is not its latency: one that was asked to be slow.
func (c *Class) RecordLatency(start, end time.Time, latency time.Duration, received int64, err error) Outcome {
	o := Classify(err, received)
	us := min(max(latency.Microseconds(), lowest), highest)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.outcomes[o]++
	if o != Answered {
		c.bucketLost++
		if len(c.losses) < samples {
			c.losses = append(c.losses, Loss{end, o, fmt.Sprint(err)})
		}
		return o
	}
	// The value is within the bounds, so there can be no error.
	_ = c.latencies[c.phase.Touched(start, end)].RecordValue(us)
	_ = c.bucket.RecordValue(us)
	return o
}

// ClosedIdle notes that the server had closed a connection while no request was under way: no loss, but the connection
// did not survive.
func (c *Class) ClosedIdle() { c.add(&c.closedIdle) }

// AnnouncedClose notes that a response announced the end of its connection.
func (c *Class) AnnouncedClose() { c.add(&c.announced) }

// Resent notes a request that was sent again because the protocol says that it had not been taken.
func (c *Class) Resent() { c.add(&c.resent) }

func (c *Class) add(n *int64) {
	c.mu.Lock()
	*n++
	c.mu.Unlock()
}

// Totals are the counts of a class.
type Totals struct {
	Outcomes                      [Outcomes]int64
	ClosedIdle, Announced, Resent int64
	Losses                        []Loss
}

// Requests counts the requests that ended, in any way.
func (t Totals) Requests() (n int64) {
	for _, v := range t.Outcomes {
		n += v
	}
	return n
}

// Lost counts those that were not answered.
func (t Totals) Lost() int64 { return t.Requests() - t.Outcomes[Answered] }

// Totals returns the counts so far.
func (c *Class) Totals() Totals {
	c.mu.Lock()
	defer c.mu.Unlock()
	return Totals{c.outcomes, c.closedIdle, c.announced, c.resent, append([]Loss(nil), c.losses...)}
}

// Histogram returns a copy of the latencies of one kind, in microseconds.
func (c *Class) Histogram(k Kind) *hdrhistogram.Histogram {
	c.mu.Lock()
	defer c.mu.Unlock()
	return hdrhistogram.Import(c.latencies[k].Export())
}

// NewHistogram makes a histogram to which those of classes can be added.
func NewHistogram() *hdrhistogram.Histogram { return hdrhistogram.New(lowest, highest, 3) }

// Cut adds what happened since the last Cut to h, and returns the losses among it.
func (c *Class) Cut(h *hdrhistogram.Histogram) (lost int64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	h.Merge(c.bucket)
	c.bucket.Reset()
	lost, c.bucketLost = c.bucketLost, 0
	return lost
}

// NewBucket makes a histogram that Cut can add to.
func NewBucket() *hdrhistogram.Histogram { return hdrhistogram.New(lowest, highest, 2) }
