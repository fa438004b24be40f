package main

import (
	"math/rand/v2"
	"slices"
)

// A balancer says where a client connects that was sent away.
type balancer string

const (
	random balancer = "random"
	least  balancer = "least connections"
)

// A fleet is instances behind a balancer, each with its open connections.
type fleet struct {
	conns []int
	up    []bool
	rng   *rand.Rand
}

func newFleet(instances, conns int) *fleet {
	f := &fleet{up: make([]bool, instances), rng: rand.New(rand.NewPCG(1, 2))}
	for i := range instances {
		f.conns, f.up[i] = append(f.conns, conns), true
	}
	return f
}

// A count is what clients notice of a deployment.
type count struct {
	closed   int // connections that ended, so that their clients came back
	inWave   int // the most of them in one wave
	heaviest int // the most connections that one instance had
}

// roll stops and starts the instances, wave after wave. The connections of a wave go to the instances that are up.
func (f *fleet) roll(waves []int, b balancer) count {
	c := count{heaviest: slices.Max(f.conns)}
	next := 0
	for _, size := range waves {
		wave := next
		next += size
		for i := wave; i < next; i++ {
			f.up[i] = false
		}
		closed := 0
		for i := wave; i < next; i++ {
			closed += f.conns[i]
			f.conns[i] = 0
		}
		f.connect(closed, b)
		for i := wave; i < next; i++ {
			f.up[i] = true
		}
		c.closed += closed
		c.inWave = max(c.inWave, closed)
		c.heaviest = max(c.heaviest, slices.Max(f.conns))
	}
	return c
}

// connect gives n connections to instances that are up. There must be one.
func (f *fleet) connect(n int, b balancer) {
	var up []int
	for i := range f.up {
		if f.up[i] {
			up = append(up, i)
		}
	}
	for range n {
		to := up[f.rng.IntN(len(up))]
		if b == least {
			to = slices.MinFunc(up, func(i, j int) int { return f.conns[i] - f.conns[j] })
		}
		f.conns[to]++
	}
}
