package metrics

import "maps"

// bounds are the upper bounds of the buckets, in seconds: for a program that starts
// within milliseconds and for one that reads a large cache.
var bounds = [...]float64{.005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30, 60}

// counts are what passes from one generation to the next, as JSON.
type counts struct {
	Failures    map[string]float64    `json:"failures"` // by result
	Phases      map[string]*histogram `json:"phases"`
	Connections connections           `json:"connections"`
}

// connections counts those of earlier generations by what has become of them.
type connections struct {
	Adopted    float64 `json:"adopted"`
	HandedOver float64 `json:"handed_over"`
	Announced  float64 `json:"announced"`
	Cut        float64 `json:"cut"`
}

// add adds n times other to c.
func (c *connections) add(other connections, n float64) {
	c.Adopted += n * other.Adopted
	c.HandedOver += n * other.HandedOver
	c.Announced += n * other.Announced
	c.Cut += n * other.Cut
}

// A histogram counts durations. Unlike that of Prometheus it can be added to.
type histogram struct {
	Count uint64              `json:"count"`
	Sum   float64             `json:"sum"`
	Up    [len(bounds)]uint64 `json:"up"` // how many took no longer than the bound
}

// newCounts returns zeros for all results: without a first value, PromQL's increase sees
// no change.
func newCounts() counts {
	return counts{
		Failures: map[string]float64{resultFailed: 0, resultRefused: 0, resultVetoed: 0, resultUndone: 0},
		Phases:   make(map[string]*histogram),
	}
}

func (c *counts) phase(name string, seconds float64) {
	h := histogram{Count: 1, Sum: seconds}
	for i, bound := range bounds {
		if seconds <= bound {
			h.Up[i] = 1
		}
	}
	c.histogram(name).add(h)
}

func (c *counts) histogram(phase string) *histogram {
	h := c.Phases[phase]
	if h == nil {
		h = new(histogram)
		c.Phases[phase] = h
	}
	return h
}

// add adds other to c; a result or phase that only another version knows is kept.
func (c *counts) add(other counts) {
	for result, n := range other.Failures {
		c.Failures[result] += n
	}
	for phase, h := range other.Phases {
		if h != nil {
			c.histogram(phase).add(*h)
		}
	}
	c.Connections.add(other.Connections, 1)
}

// since returns the difference between c and the counts that it has grown from.
func (c *counts) since(before counts) counts {
	more := c.clone()
	for result, n := range before.Failures {
		more.Failures[result] -= n
	}
	for phase, h := range before.Phases {
		more.histogram(phase).subtract(*h)
	}
	more.Connections.add(before.Connections, -1)
	return more
}

func (c *counts) clone() counts {
	twin := counts{Failures: maps.Clone(c.Failures), Phases: make(map[string]*histogram), Connections: c.Connections}
	for phase, h := range c.Phases {
		twin.Phases[phase] = new(*h)
	}
	return twin
}

func (h *histogram) add(other histogram) {
	h.Count += other.Count
	h.Sum += other.Sum
	for i, n := range other.Up {
		h.Up[i] += n
	}
}

func (h *histogram) subtract(other histogram) {
	h.Count -= other.Count
	h.Sum -= other.Sum
	for i, n := range other.Up {
		h.Up[i] -= n
	}
}

func (h *histogram) buckets() map[float64]uint64 {
	b := make(map[float64]uint64)
	for i, bound := range bounds {
		b[bound] = h.Up[i]
	}
	return b
}
