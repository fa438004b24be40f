// Package bench compares the speed of two HTTP servers, A to B, in short turns within one run.
//
// On a machine that others use too, a rate may halve from one second to the next. So the turns are short, and each is
// compared to its neighbour only: whatever slows one mostly slows the other as well. The median of many such ratios is hardly
// moved by the turns that were hit alone. An interval says how far it can be trusted.
//
// A second server with B's command takes its turn too. Its ratio to the first B shows whether the measurement itself is fair:
// its interval should have 1 in it.
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
	// TLS says that the servers speak TLS at {addr}.
	TLS bool
	// Pairs is the number of turns of each server, at least 5.
	Pairs int
	// Time is the length of one turn. A download takes as long as it takes.
	Time time.Duration
	// Connections is the number of connections at once.
	Connections int
	// DownloadSize is the size of the large file in bytes. 0: no download.
	DownloadSize int64
	// Say, if not nil, is called with the name of each step.
	Say func(string)
}

// Default returns 300 turns of 50 ms for each server. The commands are still missing.
func Default() Config {
	return Config{Pairs: 300, Time: 50 * time.Millisecond, Connections: 32, DownloadSize: 32 << 20}
}

const (
	fewestPairs = 5
	mostPairs   = 100_000
	// Each server gets each kind of load for so many turns, or for so long, before the turns that count.
	warmTurns = 10
	warmTime  = 500 * time.Millisecond
)

func (c Config) check() error {
	switch {
	case c.A == "" || c.B == "":
		return errors.New("storm: bench needs two commands")
	case c.Pairs < fewestPairs || c.Pairs > mostPairs:
		return fmt.Errorf("storm: bench needs between %d and %d pairs", fewestPairs, mostPairs)
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
	Pairs          int
	Time           time.Duration
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
	rep := &Report{A: cfg.A, B: cfg.B, DownloadSize: cfg.DownloadSize, Pairs: cfg.Pairs, Time: cfg.Time, ServerCPUs: cpus.server, ClientCPUs: cpus.client}
	var contestants [servers]*contestant
	defer func() {
		for _, c := range contestants {
			if c != nil {
				c.stop()
			}
		}
	}()
	for i, command := range [servers]string{cfg.A, cfg.B, cfg.B} {
		c, err := start(ctx, command, cfg.TLS, cpus.server)
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

const (
	perRequest    = "requests/s"
	perConnection = "connections/s"
)

// measurement is one kind of load. It gives a rate, and the CPU time of the server for each unit.
type measurement struct {
	name, unit, costUnit string
	costScale            float64 // CPU seconds per unit, times this
	open                 func(ctx context.Context, c *contestant, cfg Config) (load, error)
}

func measurements(cfg Config) []measurement {
	all := []measurement{
		{"keep-alive", perRequest, "CPU µs/request", 1e6, openKeepAlive},
		{"one connection per request", perConnection, "CPU µs/connection", 1e6, openOnePerRequest},
	}
	if cfg.DownloadSize > 0 {
		all = append(all, measurement{"download", "MiB/s", "CPU ms/GiB", 1e3 * 1024, openDownload})
	}
	return all
}

func (m measurement) take(ctx context.Context, cfg Config, cs [servers]*contestant, rep *Report, say func(string)) error {
	say(fmt.Sprintf("%s, %d rounds", m.name, cfg.Pairs))
	var loads [servers]load
	for i, c := range cs {
		l, err := m.open(ctx, c, cfg)
		if err != nil {
			return m.failed(c, err)
		}
		defer l.close()
		loads[i] = l
	}
	warm := min(warmTurns, max(1, int(warmTime/cfg.Time)))
	var rates, costs [servers][]float64
	for round := range warm + cfg.Pairs {
		for _, i := range order(round) {
			if err := ctx.Err(); err != nil {
				return err
			}
			rate, cost, err := turn(loads[i], cs[i])
			if err != nil {
				return m.failed(cs[i], err)
			}
			if round >= warm {
				rates[i], costs[i] = append(rates[i], rate), append(costs[i], cost*m.costScale)
			}
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

func (m measurement) failed(c *contestant, err error) error {
	return fmt.Errorf("storm: %s of %q: %w", m.name, c.command, err)
}

// turn returns the units per second, and the CPU seconds of the server per unit.
func turn(l load, c *contestant) (rate, cost float64, err error) {
	cpu, begin := c.cpuTime(), time.Now()
	units, err := l.run()
	elapsed := time.Since(begin).Seconds()
	return units / elapsed, (c.cpuTime() - cpu).Seconds() / units, err
}

// order reverses from round to round, so that a drift of the machine favours neither server. B is always in the middle: the
// other two are its neighbours.
func order(round int) [servers]int {
	if round%2 == 0 {
		return [servers]int{serverNoise, serverB, serverA}
	}
	return [servers]int{serverA, serverB, serverNoise}
}
