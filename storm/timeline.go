package storm

import (
	"sync"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"

	"example.com/restart/storm/internal/proc"
	"example.com/restart/storm/internal/tally"
	"example.com/restart/storm/report"
)

const (
	// step is the length of one moment of the timeline.
	step = 100 * time.Millisecond
	// mostMoments bounds the timeline. At twice as many, pairs of moments are merged.
	mostMoments = 6000
)

// timeline records the run step by step, in goroutines of its own.
type timeline struct {
	run  *run
	done chan struct{}
	wg   sync.WaitGroup

	mu       sync.Mutex
	moments  []report.Moment
	restarts []pending
	remarks  []string
}

// pending is a restart whose old process may still run.
type pending struct {
	report.Restart
	old     proc.ID
	trigger time.Time
}

func startTimeline(r *run) *timeline {
	t := &timeline{run: r, done: make(chan struct{})}
	// Two goroutines, so that a slow look through /proc does not stretch the steps.
	t.wg.Go(t.watch)
	t.wg.Go(t.record)
	return t
}

// watch looks for processes that come and end.
func (t *timeline) watch() {
	tick := time.NewTicker(step)
	defer tick.Stop()
	for {
		select {
		case <-t.done:
			return
		case <-tick.C:
			t.scan()
		}
	}
}

// record appends a moment at each step.
func (t *timeline) record() {
	tick := time.NewTicker(step)
	defer tick.Stop()
	bucket := tally.NewBucket()
	for {
		select {
		case <-t.done:
			return
		case <-tick.C:
			t.cut(bucket)
		}
	}
}

// cut appends a moment with everything that happened since the last one.
func (t *timeline) cut(bucket *hdrhistogram.Histogram) {
	m := t.observe(time.Now())
	m.Lost = t.run.clients.Cut(bucket) + t.run.probes.Cut(bucket)
	m.Answered = bucket.TotalCount()
	m.P50 = float64(bucket.ValueAtQuantile(50)) / 1000
	m.P99 = float64(bucket.ValueAtQuantile(99)) / 1000
	m.Max = float64(bucket.Max()) / 1000
	bucket.Reset()
	t.mu.Lock()
	defer t.mu.Unlock()
	t.moments = append(t.moments, m)
	if len(t.moments) >= 2*mostMoments {
		t.moments = merge(t.moments)
	}
}

// merge halves a timeline that has become too long to keep or to draw.
func merge(long []report.Moment) []report.Moment {
	short := long[:0]
	for i := 0; i+1 < len(long); i += 2 {
		a, b := long[i], long[i+1]
		b.At = a.At
		b.Answered += a.Answered
		b.Lost += a.Lost
		b.P50, b.P99, b.Max = max(a.P50, b.P50), max(a.P99, b.P99), max(a.Max, b.Max)
		short = append(short, b)
	}
	return short
}

// observe looks at the connections and the processes.
func (t *timeline) observe(now time.Time) report.Moment {
	r := t.run
	m := report.Moment{At: r.since(now)}
	_, m.Surviving = r.clients.Connections()
	id := r.server.newest()
	if st, err := proc.Stat(id.PID); err == nil && st.ID == id && !st.Zombie {
		m.PID, m.RSS = id.PID, st.RSS
		m.OpenFiles, _ = proc.OpenFiles(id.PID)
	}
	m.Processes = len(r.server.living())
	return m
}

// scan looks for new processes, and notes the end of old ones.
func (t *timeline) scan() {
	t.run.server.scan()
	t.mu.Lock()
	defer t.mu.Unlock()
	for i := range t.restarts {
		p := &t.restarts[i]
		if p.OldPID != 0 && p.Gone == 0 && p.Failed == "" && !p.old.Alive() {
			p.Gone = milliseconds(time.Since(p.trigger))
		}
	}
}

func (t *timeline) restarted(x report.Restart, old proc.ID, trigger time.Time) {
	t.mu.Lock()
	t.restarts = append(t.restarts, pending{x, old, trigger})
	t.mu.Unlock()
}

func (t *timeline) remark(s string) {
	t.mu.Lock()
	t.remarks = append(t.remarks, s)
	t.mu.Unlock()
}

// counts returns the number of restarts that succeeded and of those that failed.
func (t *timeline) counts() (done, failed int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, p := range t.restarts {
		if p.Failed != "" {
			failed++
		} else {
			done++
		}
	}
	return done, failed
}

func (t *timeline) stop() {
	close(t.done)
	t.wg.Wait()
}
