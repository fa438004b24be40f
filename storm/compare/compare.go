// Package compare puts the same load on several servers, one after the other, restarts each of them, and shows what each
// of them lost.
package compare

import (
	"context"
	"errors"
	"time"

	"example.com/restart/storm"
	"example.com/restart/storm/load"
	"example.com/restart/storm/report"
)

// Config names the servers and the load on them. Begin with [DefaultConfig].
type Config struct {
	Contestants []Contestant // in the order in which they run
	Restarts    int          // number of restarts of each
	// Every is the time from one restart to the next. Some servers refuse to restart while the process before still drains.
	Every time.Duration
	// DrainLimit is how long to wait for old processes after the last restart.
	DrainLimit time.Duration
	Load       load.Sizes
	// Begin and End, if not nil, are called before and after each contestant.
	Begin func(name string)
	End   func(Result) error
}

// DefaultConfig returns ten restarts of each server, four seconds apart, under the default load of plain HTTP/1.1, because
// few servers do more on their own. The drain limit is longer than the minute for which endless and overseer drain.
func DefaultConfig() Config {
	c := Config{Restarts: 10, Every: 4 * time.Second, DrainLimit: 75 * time.Second, Load: load.Default()}
	c.Load.TLS, c.Load.HTTP2, c.Load.WSMove = 0, 0, 0
	return c
}

// Result says how one contestant did: Report or Err is set.
type Result struct {
	Name   string
	Report *report.Report
	Err    error
}

// Run runs the contestants one after the other. When ctx ends, Run returns the results until then. Its error is one of
// End, or of a configuration that makes no sense.
func Run(ctx context.Context, cfg Config) ([]Result, error) {
	if len(cfg.Contestants) == 0 {
		return nil, errors.New("storm: compare: no servers")
	}
	var results []Result
	for _, c := range cfg.Contestants {
		if ctx.Err() != nil {
			break
		}
		if cfg.Begin != nil {
			cfg.Begin(c.Name)
		}
		r := Result{Name: c.Name}
		r.Report, r.Err = c.run(ctx, cfg)
		results = append(results, r)
		if cfg.End != nil {
			if err := cfg.End(r); err != nil {
				return results, err
			}
		}
	}
	return results, nil
}

// run puts the load on one server.
func (c Contestant) run(ctx context.Context, cfg Config) (*report.Report, error) {
	if c.Missing != "" {
		return nil, errors.New("skipped: " + c.Missing)
	}
	command := c.Command
	if c.Prepare != nil {
		prepared, clean, err := c.Prepare(ctx)
		if err != nil {
			return nil, err
		}
		defer clean()
		command = prepared
	}
	s := storm.DefaultConfig()
	s.Command = []string{"sh", "-c", "exec " + command}
	s.Signal = c.Signal
	s.Restarts, s.Every, s.DrainLimit, s.Load = cfg.Restarts, cfg.Every, cfg.DrainLimit, cfg.Load
	return storm.Run(ctx, s)
}
