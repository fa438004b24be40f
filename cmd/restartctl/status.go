package main

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"golang.org/x/term"

	"example.com/restart/control"
)

func showJSON(out io.Writer, s control.Status, _ time.Time) error {
	encoder := json.NewEncoder(out)
	encoder.SetIndent("", "  ")
	encoder.SetEscapeHTML(false)
	return encoder.Encode(s)
}

// shownRestarts is how many restarts the table shows. JSON has all.
const shownRestarts = 5

// showTable shows a status to a person.
func showTable(out io.Writer, s control.Status, now time.Time) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	row := func(cells ...string) { fmt.Fprintln(w, strings.Join(cells, "\t")) }

	row("GENERATION", "PID", "STATE", "SINCE", "CONNECTIONS", "VERSION")
	row(strconv.Itoa(s.Generation), strconv.Itoa(s.PID), s.State.String(), ago(now, s.Since), strconv.Itoa(s.Connections()), cmp.Or(s.Version, "-"))
	for _, e := range slices.Backward(s.Draining) {
		connections := "?"
		if e.Connections >= 0 {
			connections = strconv.Itoa(e.Connections)
		}
		row(strconv.Itoa(e.Generation), strconv.Itoa(e.PID), "draining", ago(now, e.Since), connections, cmp.Or(e.Version, "-"))
	}
	row()
	row("LISTENER", "NETWORK", "ADDRESS", "INHERITED", "CONNECTIONS")
	for _, l := range s.Listeners {
		inherited := "no"
		if l.Inherited {
			inherited = "yes"
		}
		row(l.Name, l.Network, l.Address, inherited, strconv.Itoa(l.Connections))
	}
	if len(s.Restarts) > 0 {
		row()
		row("RESTART", "GENERATION", "RESULT", "TOOK", "PHASES", "DRAIN")
	}
	for _, a := range slices.Backward(s.Restarts[max(0, len(s.Restarts)-shownRestarts):]) {
		row(ago(now, a.Began), strconv.Itoa(a.Generation), result(a), took(a), phases(a), drained(a))
	}
	if err := w.Flush(); err != nil {
		return err
	}
	if s.LastError == "" {
		return nil
	}
	_, err := fmt.Fprintf(out, "\nThe last restart failed, and this process serves on:\n%s\n", s.LastError)
	return err
}

func result(a control.Attempt) string {
	if a.Result == control.ResultReplaced {
		return fmt.Sprintf("replaced by %d", a.Successor)
	}
	return string(a.Result)
}

func took(a control.Attempt) string {
	if a.Result == control.ResultRunning {
		return "-"
	}
	return short(time.Duration(a.Elapsed))
}

// phases shows the phases that took a tenth of the time or more, and always the
// last one.
func phases(a control.Attempt) string {
	var all control.Seconds
	for _, p := range a.Phases {
		all += p.Elapsed
	}
	var shown []string
	for i, p := range a.Phases {
		if 10*p.Elapsed >= all || i == len(a.Phases)-1 {
			shown = append(shown, p.Phase+" "+short(time.Duration(p.Elapsed)))
		}
	}
	return cmp.Or(strings.Join(shown, ", "), "-")
}

func drained(a control.Attempt) string {
	switch {
	case a.Drain == nil:
		return "-"
	case a.Drain.Forced:
		return short(time.Duration(a.Drain.Elapsed)) + ", by force"
	}
	return short(time.Duration(a.Drain.Elapsed))
}

// short rounds a time to about three digits.
func short(d time.Duration) string {
	switch {
	case d < time.Millisecond:
		return d.Round(time.Microsecond).String()
	case d < time.Second:
		return d.Round(100 * time.Microsecond).String()
	}
	return d.Round(10 * time.Millisecond).String()
}

func ago(now, t time.Time) string {
	if t.IsZero() {
		return "-"
	}
	return max(now.Sub(t), 0).Truncate(time.Second).String() + " ago"
}

// watchEvery is how often --watch asks.
const watchEvery = time.Second

// watchStatus shows the status again and again. On a terminal it clears the screen
// before each. A program that cannot be reached for a moment is waited for.
func watchStatus(ctx context.Context, client *control.Client, out io.Writer, show func(io.Writer, control.Status, time.Time) error) error {
	clear := ""
	if f, ok := out.(*os.File); ok && term.IsTerminal(int(f.Fd())) {
		clear = "\x1b[H\x1b[2J\x1b[3J"
	}
	ticks := time.NewTicker(watchEvery)
	defer ticks.Stop()
	for {
		s, err := client.Status(ctx)
		if ctx.Err() != nil {
			return nil // Ctrl-C is how it ends
		}
		fmt.Fprint(out, clear)
		if err != nil {
			fmt.Fprint(out, explain(err))
		} else if err := show(out, s, time.Now()); err != nil {
			return err
		}
		if clear == "" {
			fmt.Fprintln(out)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-ticks.C:
		}
	}
}
