// Command probation restarts a server under load with releases that are bad, each in another way, and compares what clients
// lose with what the bad release had accepted. It starts itself as the server.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"log"
	"os"
	"os/signal"
	"syscall"

	"example.com/restart/examples/internal/figures"
	"example.com/restart/examples/measure/internal/reexec"
	"example.com/restart/storm/load"
)

func main() {
	reexec.Serve(serve)
	times := flag.Int("times", 20, "`number` of restarts with each bad release")
	page := flag.String("doc", "", "Markdown `file` to write the table into")
	flag.Parse()
	ctx, cancel := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer cancel()
	if err := run(ctx, *times, *page); err != nil {
		log.Fatal("probation: ", err)
	}
}

// sizes is a load with every class of connections.
func sizes() load.Sizes {
	s := load.Default()
	s.Busy, s.Think, s.Idle, s.Slow, s.Download, s.Pipeline, s.TLS, s.HTTP2, s.WS, s.WSMove = 2, 20, 30, 2, 2, 4, 6, 2, 4, 4
	s.BusyPause, s.SlowFor = s.ThinkMin, s.ThinkMax
	s.DownloadSize = 256 << 10
	return s
}

func run(ctx context.Context, times int, page string) error {
	rows := [][]string{{"the new process", "restarts", "requests", "it accepted", "and did not answer", "lost", "connections alive"}}
	var errs []error
	for _, b := range badReleases {
		r, err := measure(ctx, b, times)
		if err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", b.what, err))
		}
		rows = append(rows, []string{
			b.what, figures.Count(times), figures.Count(r.requests), figures.Count(r.accepted), figures.Count(r.accepted - r.closed),
			figures.Count(r.lost), fmt.Sprintf("%d of %d", r.survived, r.kept),
		})
	}
	text := figures.Table(rows)
	fmt.Print(text)
	if page != "" {
		errs = append(errs, figures.Insert(page, "probation", text))
	}
	return errors.Join(errs...)
}
