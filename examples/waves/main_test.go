package main

import (
	"math"
	"os"
	"strings"
	"testing"
	"time"

	"example.com/restart/examples/internal/figures"
)

var usual = times{start: 20 * time.Second, notice: 15 * time.Second, drain: time.Minute, watch: time.Minute}

// The page has what the program prints.
func TestDocumentation(t *testing.T) {
	page, err := os.ReadFile("../../docs/scaling.md")
	if err != nil {
		t.Fatal(err)
	}
	if table := figures.Table(simulate(100, 1000, usual)); !strings.Contains(string(page), table) {
		t.Errorf("docs/scaling.md is not up to date: run go run ./examples/waves -doc docs/scaling.md\n%s", table)
	}
}

// With a random balancer, every instance that is not yet rolled has 1/(1-share) times as much after each wave: what a
// wave of k of n instances sheds goes to the n-k others.
func TestRandomBalancerFollowsTheFormula(t *testing.T) {
	const instances, conns = 100, 1000
	for _, size := range []int{1, 10, 25} {
		growth := 1 + float64(size)/(instances-float64(size))
		var closed, weight float64 = 0, 1
		for range instances / size {
			closed += weight * float64(size) / instances
			weight *= growth
		}
		c := newFleet(instances, conns).roll(even(instances, size).waves, random)
		if got := float64(c.closed) / (instances * conns); math.Abs(got-closed) > 0.02*closed {
			t.Errorf("waves of %d: got %.3f reconnects for each client, want %.3f", size, got, closed)
		}
	}
}

func TestNoConnectionIsLostOrMade(t *testing.T) {
	for _, b := range []balancer{random, least} {
		f := newFleet(10, 50)
		f.roll([]int{1, 2, 3, 4}, b)
		sum := 0
		for _, n := range f.conns {
			sum += n
		}
		if sum != 500 {
			t.Errorf("%s: got %d connections at the end, want 500", b, sum)
		}
	}
}

func TestPlansHaveEveryInstanceOnce(t *testing.T) {
	for instances := 2; instances < 60; instances++ {
		for _, p := range plans(instances) {
			sum := 0
			for _, n := range p.waves {
				if n < 1 || n >= instances {
					t.Errorf("%d instances, %s: a wave of %d", instances, p.name, n)
				}
				sum += n
			}
			if sum != instances {
				t.Errorf("%d instances, %s: got %d in %v", instances, p.name, sum, p.waves)
			}
		}
	}
}

func TestTimes(t *testing.T) {
	p := even(100, 25)
	if got, want := p.rolled(usual), 4*155*time.Second; got != want {
		t.Errorf("rolled: got %v, want %v", got, want)
	}
	if got, want := p.inPlace(usual), 4*80*time.Second; got != want {
		t.Errorf("in place: got %v, want %v", got, want)
	}
}
