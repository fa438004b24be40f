package storm

import (
	"context"
	"errors"
	"fmt"
	"math"
	"runtime/debug"
	"strings"
	"time"

	"example.com/restart/storm/internal/load"
	"example.com/restart/storm/internal/proc"
	"example.com/restart/storm/internal/tally"
	"example.com/restart/storm/internal/target"
)

const startLimit = 20 * time.Second

// memoryLimit is where the collector begins to work after all.
const memoryLimit = 1 << 30

// run is one Run under way.
type run struct {
	cfg     Config
	process *target.Process // nil for a server that ran already
	addrs   target.Addresses
	watcher *target.Watcher
	phase   tally.Phase
	fleet   *load.Fleet
	answers *answers
	probes  *tally.Class // the requests that ask who answers
	began   time.Time
	lasted  time.Duration // how long the last restart counted as under way
	copy    []string      // the command, with its blanks, for a copy of the server
	usual   int           // processes that hold the socket when no restart is under way
	first   proc.ID
	report  *Report

	timeline *timeline
}

// Run puts the load on, restarts, and returns what was seen. An error means that it could not run; that requests were
// lost is in the report. When ctx ends, Run stops the load, and the report is about what was done by then. The server that
// it started is stopped in any case.
func Run(ctx context.Context, cfg Config) (*Report, error) {
	if err := cfg.check(); err != nil {
		return nil, err
	}
	defer quietCollector()()
	r := &run{cfg: cfg, answers: newAnswers(), report: &Report{Server: strings.Join(cfg.Command, " ")}}
	r.probes = tally.NewClass("probe", &r.phase)
	if err := r.findServer(ctx); err != nil {
		r.stopServer()
		return nil, err
	}
	err := r.loadAndRestart(ctx)
	r.stopServer()
	if err != nil {
		return nil, err
	}
	return r.report, nil
}

// quietCollector turns the collector off up to a limit, and returns what turns it on again.
func quietCollector() (restore func()) {
	limit := debug.SetMemoryLimit(-1)
	if limit == math.MaxInt64 {
		debug.SetMemoryLimit(memoryLimit)
	}
	percent := debug.SetGCPercent(-1)
	return func() {
		debug.SetMemoryLimit(limit)
		debug.SetGCPercent(percent)
	}
}

func (r *run) findServer(ctx context.Context) error {
	known, err := r.knownAddresses()
	if err != nil {
		return err
	}
	if r.cfg.PID != 0 {
		r.report.Server = fmt.Sprintf("PID %d", r.cfg.PID)
		r.addrs = known
		if err := target.WaitAnswer(ctx, known.Plain, startLimit); err != nil {
			return err
		}
	} else {
		if r.process, err = target.Start(r.cfg.Command, r.cfg.Env, r.cfg.LogFile); err != nil {
			return err
		}
		if r.addrs, err = target.Discover(ctx, r.process, known, startLimit); err != nil {
			return err
		}
	}
	if r.process != nil {
		r.report.Server = strings.Join(r.cfg.Command, " ")
	}
	r.watcher = target.NewWatcher(r.addrs.Plain)
	if err := r.watcher.Scan(); err != nil {
		return err
	}
	if len(r.watcher.Living()) == 0 {
		return fmt.Errorf("storm: no process that we may look at listens on %v", r.addrs.Plain)
	}
	pid := r.cfg.PID
	if r.process != nil {
		pid = r.process.PID
	}
	st, err := proc.Stat(pid)
	if err != nil {
		return err
	}
	r.first = st.ID
	return nil
}

// knownAddresses resolves what the configuration gives, and fills the blanks in the command.
func (r *run) knownAddresses() (a target.Addresses, err error) {
	addr, tlsAddr := r.cfg.Addr, r.cfg.TLSAddr
	r.copy = r.cfg.Command
	command := append([]string(nil), r.cfg.Command...)
	for _, blank := range []struct {
		mark string
		addr *string
	}{{"{addr}", &addr}, {"{tls}", &tlsAddr}} {
		if !strings.Contains(strings.Join(command, "\x00"), blank.mark) {
			continue
		}
		if *blank.addr == "" {
			if *blank.addr, err = target.FreeAddr(); err != nil {
				return a, err
			}
		}
		for i := range command {
			command[i] = strings.ReplaceAll(command[i], blank.mark, *blank.addr)
		}
	}
	r.cfg.Command = command
	if addr != "" {
		if a.Plain, err = target.Resolve(addr); err != nil {
			return a, err
		}
	}
	if tlsAddr != "" {
		if a.TLS, err = target.Resolve(tlsAddr); err != nil {
			return a, err
		}
	}
	return a, nil
}

func (r *run) loadAndRestart(ctx context.Context) error {
	tlsAddr := ""
	if r.addrs.TLS.IsValid() {
		tlsAddr = r.addrs.TLS.String()
	}
	r.began = time.Now()
	r.report.Began = r.began
	r.fleet = load.Start(ctx, load.Target{
		Plain: r.addrs.Plain.String(), TLS: tlsAddr, Timeout: r.cfg.Timeout,
		Answered: func(body []byte) { r.answers.overhear(body, r.watcher.Answered) },
	}, r.cfg.Load, &r.phase)
	r.timeline = startTimeline(r)
	progress := startProgress(r)
	err := r.running()
	if err == nil {
		err = r.restarts(ctx)
	}
	r.timeline.lastScan()
	r.report.LoadSeconds = r.since(time.Now())
	r.fleet.Stop()
	r.timeline.stop()
	r.finish()
	progress.stop()
	r.fleet.Close()
	if err != nil && ctx.Err() != nil && !errors.Is(err, context.DeadlineExceeded) {
		r.note("interrupted: %v", context.Cause(ctx))
		return nil
	}
	return err
}

// running makes sure that there is any load at all.
func (r *run) running() error {
	var why []string
	for _, c := range r.fleet.Classes {
		if c.Skipped == "" {
			return nil
		}
		why = append(why, c.Books.Name+": "+c.Skipped)
	}
	return fmt.Errorf("storm: no load that this server can serve\n%s", strings.Join(why, "\n"))
}

// sleep returns an error when ctx ends, or the server does without a successor.
func (r *run) sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (r *run) stopServer() {
	if r.process == nil {
		return
	}
	var serving []proc.ID
	if r.watcher != nil {
		serving = r.watcher.Living()
	}
	if n := r.process.Stop(serving, r.cfg.StopGrace); n > 0 {
		r.note("%d processes of the server did not end %v after SIGTERM and were killed", n, r.cfg.StopGrace)
	}
}

func (r *run) note(format string, args ...any) {
	r.report.Notes = append(r.report.Notes, fmt.Sprintf(format, args...))
}

func (r *run) since(t time.Time) float64 { return t.Sub(r.began).Seconds() }

func milliseconds(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }
