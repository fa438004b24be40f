package tally

import (
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
)

const (
	lowest  = 1              // µs
	highest = 60 * 1_000_000 // µs; longer latencies count as this
	samples = 6              // losses of each class that are described one by one
)

// Loss is one request that was not answered.
type Loss struct {
	At      time.Time
	Outcome Outcome
	Why     string
}

// Class counts the requests of one class of load. Any goroutine may call its methods.
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

// NewClass returns a class without requests.
func NewClass(name string, phase *Phase) *Class {
	c := &Class{Name: name, phase: phase, bucket: hdrhistogram.New(lowest, highest, 2)}
	for k := range c.latencies {
		c.latencies[k] = NewHistogram()
	}
	return c
}

// Record counts a request that ended. Its latency counts from start, the moment at which it was due. Lost requests have no
// latency, because a quick reset would improve the percentiles.
func (c *Class) Record(start, end time.Time, received int64, err error) Outcome {
	return c.RecordLatency(start, end, end.Sub(start), received, err)
}

// RecordLatency is Record for a request whose latency is not its duration, such as one that was asked to be slow.
func (c *Class) RecordLatency(start, end time.Time, latency time.Duration, received int64, err error) Outcome {
	o := classify(err, received)
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
	// The value is within the bounds, so neither call can fail.
	_ = c.latencies[c.phase.Touched(start, end)].RecordValue(us)
	_ = c.bucket.RecordValue(us)
	return o
}

// ClosedIdle counts a connection that the server closed while no request was in flight. That is no loss, but the
// connection did not survive.
func (c *Class) ClosedIdle() { c.add(&c.closedIdle) }

// AnnouncedClose counts a connection whose end the server announced.
func (c *Class) AnnouncedClose() { c.add(&c.announced) }

// Resent counts a request that was sent again because the server had declared it not processed.
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

// Requests counts all requests that ended.
func (t Totals) Requests() (n int64) {
	for _, v := range t.Outcomes {
		n += v
	}
	return n
}

// Lost counts the requests that were not answered.
func (t Totals) Lost() int64 { return t.Requests() - t.Outcomes[Answered] }

// Totals returns the counts so far.
func (c *Class) Totals() Totals {
	c.mu.Lock()
	defer c.mu.Unlock()
	return Totals{c.outcomes, c.closedIdle, c.announced, c.resent, slices.Clone(c.losses)}
}

// Histogram returns a copy of the latencies of one kind, in microseconds.
func (c *Class) Histogram(k Kind) *hdrhistogram.Histogram {
	c.mu.Lock()
	defer c.mu.Unlock()
	return hdrhistogram.Import(c.latencies[k].Export())
}

// NewHistogram returns a histogram to which those of classes can be added.
func NewHistogram() *hdrhistogram.Histogram { return hdrhistogram.New(lowest, highest, 3) }

// Cut adds the latencies since the last Cut to h, and returns the number of losses since then.
func (c *Class) Cut(h *hdrhistogram.Histogram) (lost int64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	h.Merge(c.bucket)
	c.bucket.Reset()
	lost, c.bucketLost = c.bucketLost, 0
	return lost
}

// NewBucket returns a histogram to which Cut can add.
func NewBucket() *hdrhistogram.Histogram { return hdrhistogram.New(lowest, highest, 2) }
