package main

import (
	"fmt"
	"time"
)

// A plan says how many instances each wave has.
type plan struct {
	name  string
	waves []int
}

// even returns waves of one size; the last one has the rest.
func even(instances, size int) plan {
	p := plan{name: fmt.Sprintf("%d at a time", size)}
	for left := instances; left > 0; left -= size {
		p.waves = append(p.waves, min(size, left))
	}
	return p
}

// growing returns waves that begin with one instance and grow by a factor up to a largest size, so that a bad release
// is noticed while few clients have it.
func growing(instances, factor, largest int) plan {
	p := plan{name: fmt.Sprintf("1, then %d times as many, at most %d", factor, largest)}
	size := 1
	for left := instances; left > 0; {
		n := min(size, left)
		p.waves = append(p.waves, n)
		left -= n
		size = min(size*factor, largest)
	}
	return p
}

// times of one wave.
type times struct {
	start  time.Duration // from the start of a process until it serves
	notice time.Duration // until a balancer has noticed that an instance is to stop
	drain  time.Duration // at most, for connections that last
	watch  time.Duration // to see whether the new release is good
}

// rolled is how long the plan takes if each wave is stopped, started and watched.
func (p plan) rolled(t times) time.Duration {
	return time.Duration(len(p.waves)) * (t.notice + t.drain + t.start + t.watch)
}

// inPlace is the same for restarts in place: old processes drain while the new ones are watched.
func (p plan) inPlace(t times) time.Duration {
	return time.Duration(len(p.waves)) * (t.start + t.watch)
}

// largest is the size of the largest wave.
func (p plan) largest() (n int) {
	for _, size := range p.waves {
		n = max(n, size)
	}
	return n
}
