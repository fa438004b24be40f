// Package bench compares the speed of two HTTP servers, A to B, in turns within one run.
//
// A second server with B's command takes its turn too. Its difference from the first B is noise. A difference between A and
// B that is no larger means nothing.
package bench

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// Config names the two servers and the load on them. Begin with [Default].
type Config struct {
	// A and B are shell commands that start a server. {addr} in them becomes a free address.
	A, B string
	// Pairs is the number of turns of each server, at least 5.
	Pairs int
	// Time is the length of one turn.
	Time time.Duration
	// Connections is the number of connections at once.
	Connections int
	// DownloadSize is the size of the large file in bytes. 0: no download.
	DownloadSize int64
	// Say, if not nil, is called with the name of each step.
	Say func(string)
}

// Default returns five turns of a second for each server. The commands are still missing.
func Default() Config {
	return Config{Pairs: 5, Time: time.Second, Connections: 32, DownloadSize: 256 << 20}
}

const fewestPairs = 5

func (c Config) check() error {
	switch {
	case c.A == "" || c.B == "":
		return errors.New("storm: bench needs two commands")
	case c.Pairs < fewestPairs || c.Pairs > 1000:
		return fmt.Errorf("storm: bench needs between %d and 1000 pairs", fewestPairs)
	case c.Time <= 0 || c.Connections <= 0 || c.DownloadSize < 0:
		return errors.New("storm: bench needs a positive time and number of connections")
	}
	return nil
}

// Report holds the measurements.
type Report struct {
	A, B string
	Rows []Row
	// CallsA and CallsB count the system calls of each server for one download, by name. They are nil if strace could not
	// count them; NoCalls then says why.
	CallsA, CallsB map[string]int
	NoCalls        string
	DownloadSize   int64
	ServerCPUs     []int // the CPUs of the servers; nil if there is only one CPU
	ClientCPUs     []int
}

// Row is one quantity, measured in each turn.
type Row struct {
	Name, Unit string
	A, B       []float64
	Ratio      Ratio // A to B
	Noise      Ratio // B to B
}

// The servers, in the order of an odd round.
const (
	serverA = iota
	serverB
	serverNoise
	servers
)

// Run starts three servers, one of A and two of B, and measures them in turns.
func Run(ctx context.Context, cfg Config) (*Report, error) {
	if err := cfg.check(); err != nil {
		return nil, err
	}
	say := cfg.Say
	if say == nil {
		say = func(string) {}
	}
	cpus := plan()
	rep := &Report{A: cfg.A, B: cfg.B, DownloadSize: cfg.DownloadSize, ServerCPUs: cpus.server, ClientCPUs: cpus.client}
	var contestants [servers]*contestant
	defer func() {
		for _, c := range contestants {
			if c != nil {
				c.stop()
			}
		}
	}()
	for i, command := range [servers]string{cfg.A, cfg.B, cfg.B} {
		c, err := start(ctx, command, cpus.server)
		if err != nil {
			return nil, err
		}
		contestants[i] = c
	}
	restore, err := pinClient(cpus.client)
	if err != nil {
		return nil, err
	}
	defer restore()
	for _, m := range measurements(cfg) {
		if err := m.take(ctx, cfg, contestants, rep, say); err != nil {
			return nil, err
		}
	}
	if cfg.DownloadSize > 0 {
		say("system calls of a download")
		rep.countCalls(ctx, cfg, contestants)
	}
	return rep, nil
}

// measurement is one kind of load. It gives a rate, and the CPU time of the server for each unit.
type measurement struct {
	name, unit, costUnit string
	costScale            float64 // CPU seconds per unit, times this
	run                  func(ctx context.Context, c *contestant, cfg Config) (units float64, err error)
}

func measurements(cfg Config) []measurement {
	all := []measurement{
		{"keep-alive", "requests/s", "CPU µs/request", 1e6, keepAlive},
		{"one connection per request", "connections/s", "CPU µs/connection", 1e6, onePerRequest},
	}
	if cfg.DownloadSize > 0 {
		all = append(all, measurement{"download", "MiB/s", "CPU ms/GiB", 1e3 * 1024, download})
	}
	return all
}

func (m measurement) take(ctx context.Context, cfg Config, cs [servers]*contestant, rep *Report, say func(string)) error {
	var rates, costs [servers][]float64
	// Round 0 warms up and is not counted.
	for round := range cfg.Pairs + 1 {
		say(fmt.Sprintf("%s, round %d of %d", m.name, round, cfg.Pairs))
		for _, i := range order(round) {
			if err := ctx.Err(); err != nil {
				return err
			}
			cpu, begin := cs[i].cpuTime(), time.Now()
			units, err := m.run(ctx, cs[i], cfg)
			if err != nil {
				return fmt.Errorf("storm: %s of %q: %w", m.name, cs[i].command, err)
			}
			elapsed := time.Since(begin).Seconds()
			if round == 0 || units == 0 || elapsed == 0 {
				continue
			}
			rates[i] = append(rates[i], units/elapsed)
			costs[i] = append(costs[i], (cs[i].cpuTime()-cpu).Seconds()/units*m.costScale)
		}
	}
	for _, r := range []struct {
		unit   string
		values [servers][]float64
	}{{m.unit, rates}, {m.costUnit, costs}} {
		rep.Rows = append(rep.Rows, Row{
			Name: m.name, Unit: r.unit, A: r.values[serverA], B: r.values[serverB],
			Ratio: ratio(r.values[serverA], r.values[serverB]), Noise: ratio(r.values[serverNoise], r.values[serverB]),
		})
	}
	return nil
}

// order reverses from round to round, so that a drift of the machine favours neither server.
func order(round int) [servers]int {
	if round%2 == 0 {
		return [servers]int{serverNoise, serverB, serverA}
	}
	return [servers]int{serverA, serverB, serverNoise}
}
