// Command endurance restarts one server thousands of times under load, and compares the last hundred processes with the
// first hundred. It starts itself as the server.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log"
	"os"
	"os/signal"
	"syscall"
	"time"

	"example.com/restart/examples/internal/figures"
	"example.com/restart/examples/measure/internal/reexec"
	"example.com/restart/storm"
	"example.com/restart/storm/load"
	"example.com/restart/storm/report"
)

func main() {
	reexec.Serve(serve)
	restarts := flag.Int("restarts", 2000, "`number` of restarts")
	every := flag.Duration("every", 250*time.Millisecond, "from one restart to the next, or longer while the old process drains")
	page := flag.String("doc", "", "Markdown `file` to write the table into")
	flag.Parse()
	ctx, cancel := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer cancel()
	if err := run(ctx, *restarts, *every, *page, os.Stderr); err != nil {
		log.Fatal("endurance: ", err)
	}
}

// sizes is a load whose drains are short, so that thousands of them take minutes. HTTP/2, and the WebSockets of this server,
// which does not keep them, would hold an old process for seconds.
func sizes() load.Sizes {
	s := load.Default()
	s.Busy, s.Think, s.Idle, s.Fresh, s.Slow, s.Download, s.Pipeline, s.TLS = 1, 12, 30, 10, 1, 1, 2, 6
	s.HTTP2, s.WS, s.WSMove = 0, 0, 0
	s.BusyPause, s.SlowFor = 10*time.Millisecond, 100*time.Millisecond
	s.DownloadSize = 256 << 10
	return s
}

func run(ctx context.Context, restarts int, every time.Duration, page string, progress io.Writer) error {
	exe, err := os.Executable()
	if err != nil {
		return err
	}
	s, err := newSampler()
	if err != nil {
		return err
	}
	defer s.remove()
	cfg := storm.DefaultConfig()
	cfg.Command = []string{exe, "serve", "-addr", "{addr}", "-tls-addr", "{tls}", "-stats", s.socket}
	cfg.Restarts, cfg.Every = restarts, every
	cfg.Load, cfg.Progress = sizes(), progress
	cfg.BeforeRestart = func(int) error { return s.sample(ctx) }
	rep, err := storm.Run(ctx, cfg)
	if err != nil {
		return err
	}
	if len(s.samples) == 0 {
		return context.Cause(ctx)
	}
	// Also when ctx has ended: what was measured until then is true.
	text := figures.Table(compare(s.samples, rep.Restarts)) + "\n" + sum(rep)
	fmt.Print(text)
	if page != "" {
		err = figures.Insert(page, "endurance", text)
	}
	if rep.Lost > 0 {
		err = errors.Join(err, errors.New(rep.Verdict()))
	}
	for _, r := range rep.Failed() {
		err = errors.Join(err, fmt.Errorf("restart %d: %s", r.Number, r.Failed))
	}
	return err
}

// sum says in a line what clients saw.
func sum(r *report.Report) string {
	return fmt.Sprintf("%s restarts in %.1f minutes, %s requests, %s lost; %s of %s connections lived from first to last.\n",
		figures.Count(len(r.Restarts)-len(r.Failed())), r.Seconds/60, figures.Count(int(r.Requests)), figures.Count(int(r.Lost)),
		figures.Count(r.Survived), figures.Count(r.Kept))
}

// part is how many processes the first and the last ones are.
const part = 100

// compare returns a table of the first and the last processes.
func compare(samples []sample, restarts []report.Restart) [][]string {
	rows := [][]string{{"", "first, median", "last, median", "first, most", "last, most"}}
	add := func(name string, values []float64) {
		n := min(part, len(values))
		first, last := values[:n], values[len(values)-n:]
		rows = append(rows, []string{
			name, figures.Short(figures.Median(first)), figures.Short(figures.Median(last)),
			figures.Short(most(first)), figures.Short(most(last)),
		})
	}
	column := func(value func(sample) float64) (values []float64) {
		for _, s := range samples {
			values = append(values, value(s))
		}
		return values
	}
	add("open files", column(func(s sample) float64 { return float64(s.Files) }))
	add("goroutines", column(func(s sample) float64 { return float64(s.Goroutines) }))
	add("heap after a collection, MiB", column(func(s sample) float64 { return float64(s.Heap) / (1 << 20) }))
	add("resident memory, MiB", column(func(s sample) float64 { return float64(s.Resident) / (1 << 20) }))
	var answers []float64
	for _, r := range restarts {
		if r.Failed == "" {
			answers = append(answers, r.FirstAnswer)
		}
	}
	add("restart until the new process answers, ms", answers)
	return rows
}

func most(values []float64) (most float64) {
	for _, v := range values {
		most = max(most, v)
	}
	return most
}
