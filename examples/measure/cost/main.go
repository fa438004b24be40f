// Command cost measures how long a restart takes, by the number of listeners and by the number of connections. It starts
// itself as the server.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"log"
	"os"
	"os/signal"
	"strconv"
	"strings"
	"syscall"

	"example.com/restart/examples/internal/figures"
	"example.com/restart/examples/measure/internal/reexec"
)

func main() {
	reexec.Serve(serve)
	listeners := flag.String("listeners", "1,10,100,1000,4000", "`numbers` of listeners, separated by commas")
	conns := flag.String("connections", "1,100,1000,5000,15000", "`numbers` of connections, separated by commas")
	restarts := flag.Int("restarts", 5, "`number` of restarts of each server")
	page := flag.String("doc", "", "Markdown `file` to write the tables into")
	picture := flag.String("plot", "", "draw the times to this SVG `file`")
	flag.Parse()
	ctx, cancel := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer cancel()
	if err := run(ctx, *listeners, *conns, *restarts, *page, *picture); err != nil {
		log.Fatal("cost: ", err)
	}
}

func run(ctx context.Context, listeners, conns string, restarts int, page, picture string) error {
	byListeners, err := numbers(listeners)
	if err != nil {
		return err
	}
	byConns, err := numbers(conns)
	if err != nil {
		return err
	}
	if restarts < 1 {
		return fmt.Errorf("-restarts is %d: it must be at least 1", restarts)
	}
	var tables [2][][]string
	var charts [2]figures.Chart
	if tables[0], charts[0], err = measureListeners(ctx, byListeners, restarts); err != nil {
		return err
	}
	if tables[1], charts[1], err = measureConns(ctx, byConns, restarts); err != nil {
		return err
	}
	text := figures.Table(tables[0]) + "\n" + figures.Table(tables[1])
	fmt.Print(text)
	if page != "" {
		err = figures.Insert(page, "cost", text)
	}
	if picture != "" {
		err = errors.Join(err, figures.Plot(picture, charts[:]...))
	}
	return err
}

// numbers parses a list such as "1,100".
func numbers(list string) (all []int, err error) {
	for s := range strings.SplitSeq(list, ",") {
		n, err := strconv.Atoi(s)
		if err != nil || n < 1 {
			return nil, fmt.Errorf("list %q: %q is not a positive number", list, s)
		}
		all = append(all, n)
	}
	return all, nil
}

// coldStarts is how many servers are started to measure a cold start.
const coldStarts = 3

func measureListeners(ctx context.Context, counts []int, restarts int) (rows [][]string, chart figures.Chart, err error) {
	rows = [][]string{{"listeners", "cold start until it serves, ms", "restart until the new process serves, ms", "worst"}}
	cold, serving := figures.Line{Name: "cold start"}, figures.Line{Name: "restart, until the new process serves"}
	for _, n := range counts {
		var starts, serves []float64
		for range coldStarts {
			r, err := measure(ctx, n, 1, restarts)
			if err != nil {
				return nil, chart, fmt.Errorf("%d listeners: %w", n, err)
			}
			starts, serves = append(starts, r.cold), append(serves, r.serves...)
		}
		start := figures.Median(starts)
		median, worst := middleAndWorst(serves)
		rows = append(rows, []string{figures.Count(n), figures.Short(start), figures.Short(median), figures.Short(worst)})
		cold.Points = append(cold.Points, figures.Point{Count: n, Milliseconds: start})
		serving.Points = append(serving.Points, figures.Point{Count: n, Milliseconds: median})
	}
	return rows, figures.Chart{Title: "One connection", XLabel: "listeners", Lines: []figures.Line{serving, cold}}, nil
}

func measureConns(ctx context.Context, counts []int, restarts int) (rows [][]string, chart figures.Chart, err error) {
	rows = [][]string{{
		"idle connections", "restart until the new process serves, ms", "worst",
		"until the old process has ended, ms", "worst", "connections alive after the last restart",
	}}
	serving := figures.Line{Name: "restart, until the new process serves"}
	ended := figures.Line{Name: "until all have moved and the old one has ended"}
	for _, n := range counts {
		r, err := measure(ctx, 1, n, restarts)
		if err != nil {
			return nil, chart, fmt.Errorf("%d connections: %w", n, err)
		}
		median, worst := middleAndWorst(r.serves)
		medianEnd, worstEnd := middleAndWorst(r.ends)
		rows = append(rows, []string{
			figures.Count(n), figures.Short(median), figures.Short(worst),
			figures.Short(medianEnd), figures.Short(worstEnd), figures.Count(r.alive) + " of " + figures.Count(n),
		})
		serving.Points = append(serving.Points, figures.Point{Count: n, Milliseconds: median})
		ended.Points = append(ended.Points, figures.Point{Count: n, Milliseconds: medianEnd})
	}
	return rows, figures.Chart{Title: "One listener", XLabel: "idle connections", Lines: []figures.Line{serving, ended}}, nil
}
