package main

import (
	"fmt"
	"io"
	"os"
	"time"

	"github.com/schollz/progressbar/v3"
	"golang.org/x/term"

	"example.com/restart/control"
)

// A drainView shows the progress of a drain: as a bar on a terminal, as lines
// elsewhere.
type drainView struct {
	out      io.Writer
	terminal io.Writer // nil: there is none
	bar      *progressbar.ProgressBar
	most     int // connections at a time
}

func newDrainView(out, errOut io.Writer) *drainView {
	v := &drainView{out: out}
	if f, ok := errOut.(*os.File); ok && term.IsTerminal(int(f.Fd())) {
		v.terminal = f
	}
	return v
}

func (v *drainView) show(p control.Progress) {
	switch p.Event {
	case control.ProgressReplaced:
		fmt.Fprintln(v.out, replacedLine(control.Replaced{Generation: p.Generation, PID: p.PID, Successor: p.Successor, Elapsed: p.Elapsed}))
		v.count(p)
	case control.ProgressStopping:
		fmt.Fprintf(v.out, "generation %d (process %d) stops\n", p.Generation, p.PID)
		v.count(p)
	case control.ProgressDraining:
		v.count(p)
	case control.ProgressUndone:
		v.close() // the error says it
	case control.ProgressDrained:
		v.close()
		fmt.Fprintf(v.out, "process %d has drained in %s; connections handed over: %d, told to close: %d, closed by force: %d\n",
			p.PID, short(time.Duration(p.Elapsed)), p.HandedOver, p.Announced, p.Cut)
	}
}

// count shows how many connections are left.
func (v *drainView) count(p control.Progress) {
	if v.terminal == nil {
		if p.Connections > 0 {
			fmt.Fprintf(v.out, "process %d drains, connections left: %d\n", p.PID, p.Connections)
		}
		return
	}
	if v.bar == nil {
		if p.Connections == 0 {
			return
		}
		v.most = p.Connections
		v.bar = progressbar.NewOptions(v.most,
			progressbar.OptionSetWriter(v.terminal),
			progressbar.OptionSetDescription("draining"),
			progressbar.OptionShowCount(),
			progressbar.OptionSetPredictTime(false),
			progressbar.OptionSetWidth(40),
			progressbar.OptionClearOnFinish(),
		)
	}
	if p.Connections > v.most {
		v.most = p.Connections
		v.bar.ChangeMax(v.most)
	}
	_ = v.bar.Set(v.most - p.Connections) // a terminal that is gone is nobody's loss
}

// close removes the bar.
func (v *drainView) close() {
	if v.bar != nil {
		_ = v.bar.Clear()
		v.bar = nil
	}
}
