package storm

import (
	"context"
	"errors"
	"fmt"
	"math"
	"runtime/debug"
	"slices"
	"strings"
	"time"

	"example.com/restart/storm/internal/clients"
	"example.com/restart/storm/internal/tally"
	"example.com/restart/storm/report"
)

// memoryLimit is where the garbage collector begins to work after all.
const memoryLimit = 1 << 30

// run is one call of Run.
type run struct {
	cfg     Config
	server  *server
	clients *clients.Group
	phase   tally.Phase
	answers *answers
	probes  *tally.Class // the requests that ask who answers
	began   time.Time
	lasted  time.Duration // how long the last restart counted as under way
	usual   int           // processes that hold the socket when no restart is under way
	report  *report.Report

	timeline *timeline
}

// Run puts the load on the server, restarts it, and reports what the clients saw. An error means that storm could not run;
// losses are in the report. When ctx ends, Run stops the load and reports what happened until then. Run stops the server
// that it started in any case.
func Run(ctx context.Context, cfg Config) (*report.Report, error) {
	if err := cfg.check(); err != nil {
		return nil, err
	}
	defer quietCollector()()
	s, err := openServer(ctx, cfg)
	if err != nil {
		return nil, err
	}
	r := &run{cfg: cfg, server: s, answers: newAnswers(), report: &report.Report{Server: s.name}}
	r.probes = tally.NewClass("probe", &r.phase)
	err = r.loadAndRestart(ctx)
	if killed := s.stop(cfg.StopGrace); killed > 0 {
		r.note("%d processes of the server did not end within %v after SIGTERM and were killed", killed, cfg.StopGrace)
	}
	if err != nil {
		return nil, err
	}
	return r.report, nil
}

// quietCollector turns the garbage collector off up to a limit, and returns a function that turns it on again.
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

func (r *run) loadAndRestart(ctx context.Context) error {
	r.began = time.Now()
	r.report.Began = r.began
	r.clients = clients.Start(ctx, clients.Target{
		Plain: r.server.plainAddr(), TLS: r.server.tlsAddr(), URL: r.server.url, Stay: r.cfg.Stay, Timeout: r.cfg.Timeout,
		Answered: func(body []byte) { r.answers.learn(body, r.server.serves) },
	}, r.cfg.Load, &r.phase)
	if err := r.checkLoad(); err != nil {
		r.clients.Stop()
		return err
	}
	r.timeline = startTimeline(r)
	progress := startProgress(r)
	err := r.restarts(ctx)
	r.timeline.scan() // notes the ends of old processes that restarts has waited for
	r.report.LoadSeconds = r.since(time.Now())
	r.clients.Stop()
	r.timeline.stop()
	r.finishReport()
	progress.stop()
	r.clients.Close()
	if err != nil && ctx.Err() != nil && !errors.Is(err, context.DeadlineExceeded) {
		r.note("interrupted: %v", context.Cause(ctx))
		return nil
	}
	return err
}

// checkLoad returns an error if no class runs, or not one whose connections must stay.
func (r *run) checkLoad() error {
	var classes []report.Class
	runs := false
	for _, c := range r.clients.Classes {
		if c.Skipped == "" {
			runs = true
			continue
		}
		if slices.Contains(r.cfg.Stay, c.Counts.Name) {
			return fmt.Errorf("storm: the connections of %s must stay, but it cannot run: %s", c.Counts.Name, c.Skipped)
		}
		classes = append(classes, report.Class{Name: c.Counts.Name, Skipped: c.Skipped})
	}
	if runs {
		return nil
	}
	return fmt.Errorf("storm: the server can serve no class of load\n%s", strings.Join(report.Skipped(classes), "\n"))
}

// sleep returns an error when ctx ends.
func sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (r *run) note(format string, args ...any) {
	r.report.Notes = append(r.report.Notes, fmt.Sprintf(format, args...))
}

func (r *run) since(t time.Time) float64 { return t.Sub(r.began).Seconds() }

func milliseconds(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }
