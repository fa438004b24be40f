package storm

import (
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"example.com/restart/storm/report"
)

const (
	barEvery  = 200 * time.Millisecond
	lineEvery = 2 * time.Second
	barWidth  = 24
)

// progress prints how far a run has come, in a goroutine of its own.
type progress struct {
	run  *run
	out  io.Writer
	bar  bool
	done chan struct{}
	wg   sync.WaitGroup
}

func startProgress(r *run) *progress {
	p := &progress{run: r, out: r.cfg.Progress, done: make(chan struct{})}
	if p.out == nil {
		return p
	}
	p.bar = isTerminal(p.out)
	opened, _ := r.clients.Connections()
	fmt.Fprintf(p.out, "storm: %s; %d connections kept\n", r.server.where(), opened)
	for _, line := range report.Skipped(r.classReports()) {
		fmt.Fprintf(p.out, "storm: skipped %s\n", line)
	}
	p.wg.Go(p.loop)
	return p
}

func isTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	if !ok {
		return false
	}
	_, err := unix.IoctlGetTermios(int(f.Fd()), unix.TCGETS)
	return err == nil
}

func (p *progress) loop() {
	every := lineEvery
	if p.bar {
		every = barEvery
	}
	t := time.NewTicker(every)
	defer t.Stop()
	for {
		select {
		case <-t.C:
			if p.bar {
				fmt.Fprintf(p.out, "\r\x1b[K%s", p.line())
			} else {
				fmt.Fprintln(p.out, p.line())
			}
		case <-p.done:
			if p.bar {
				fmt.Fprintf(p.out, "\r\x1b[K%s\n", p.line())
			}
			return
		}
	}
}

func (p *progress) line() string {
	done, failed := p.run.timeline.counts()
	requests, lost := p.run.clients.Totals()
	lost += p.run.probes.Totals().Lost()
	opened, surviving := p.run.clients.Connections()
	return formatProgress(p.bar, time.Since(p.run.began), done, failed, p.run.cfg.Restarts, requests, lost, surviving, opened)
}

func formatProgress(bar bool, elapsed time.Duration, done, failed, restarts int, requests, lost int64, surviving, opened int) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%5.1fs ", elapsed.Seconds())
	if bar && restarts > 0 {
		full := min(barWidth, barWidth*(done+failed)/restarts)
		fmt.Fprintf(&b, "▕%s%s▏ ", strings.Repeat("█", full), strings.Repeat("░", barWidth-full))
	}
	if restarts > 0 {
		fmt.Fprintf(&b, "restarts %d/%d  ", done, restarts)
	}
	fmt.Fprintf(&b, "requests %d  lost %d  connections alive %d/%d", requests, lost, surviving, opened)
	if failed > 0 {
		fmt.Fprintf(&b, "  FAILED restarts %d", failed)
	}
	return b.String()
}

func (p *progress) stop() {
	close(p.done)
	p.wg.Wait()
}
