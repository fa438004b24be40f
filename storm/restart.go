package storm

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"example.com/restart/storm/internal/proc"
	"example.com/restart/storm/internal/tally"
)

const (
	// settle is how long after the first answer of the new process a restart counts as under way, when the old one does
	// not end sooner.
	settle = time.Second
	// glance is the pause between two looks at what has been learned meanwhile.
	glance = 5 * time.Millisecond
	// probePause is the pause between two requests that ask who answers, where the load's own answers say so: each is load
	// more than there is otherwise. Where they do not, it is glance.
	probePause = 100 * time.Millisecond
	// livingPause is the pause between two looks whether a process still runs.
	livingPause = 50 * time.Millisecond
	// nobody is how long there may be no process at all: an old one may end before its successor has been recognised.
	nobody     = 2 * time.Second
	commandEnd = 60 * time.Second
)

// restarts does all of them, and then waits until the old processes have gone.
func (r *run) restarts(ctx context.Context) error {
	if err := r.sleep(ctx, r.cfg.Warmup); err != nil {
		return err
	}
	r.usual = len(r.watcher.Living())
	for n := 1; n <= r.cfg.Restarts; n++ {
		if r.cfg.BeforeRestart != nil {
			if err := r.cfg.BeforeRestart(n); err != nil {
				return fmt.Errorf("storm: before restart %d: %w", n, err)
			}
		}
		began := time.Now()
		if err := r.restart(ctx, n); err != nil {
			return err
		}
		if r.cfg.Control {
			if err := r.sleep(ctx, r.cfg.Every/2-time.Since(began)); err != nil {
				return err
			}
			if err := r.control(ctx); err != nil {
				return err
			}
		}
		if n == r.cfg.Restarts {
			break
		}
		if err := r.sleep(ctx, r.cfg.Every-time.Since(began)); err != nil {
			return err
		}
	}
	if err := r.sleep(ctx, r.cfg.Cooldown); err != nil {
		return err
	}
	if r.cfg.Restarts == 0 {
		return nil
	}
	return r.waitDrained(ctx)
}

// restart triggers one and waits for the first answer of a process never seen before.
func (r *run) restart(ctx context.Context, n int) error {
	pid, old, err := r.toSignal(ctx)
	if err != nil {
		return err
	}
	rep := RestartReport{Number: n, OldPID: old.PID}
	known := map[int]bool{}
	for _, id := range r.watcher.Living() {
		known[id.PID] = true
	}
	trigger := time.Now()
	rep.At = r.since(trigger)
	r.phase.Begin(tally.Restarting, trigger)
	if err := r.trigger(ctx, pid); err != nil {
		r.phase.End(time.Now())
		return err
	}
	limit, lastSeen := trigger.Add(r.cfg.RestartLimit), trigger
	living, probe := newTurn(livingPause), r.probeTurn()
	for rep.FirstAnswer == 0 {
		if living.due() && len(r.watcher.Living()) > 0 {
			lastSeen = time.Now()
		}
		switch {
		case ctx.Err() != nil:
			rep.Failed = "interrupted"
		case time.Now().After(limit):
			rep.Failed = fmt.Sprintf("no new process answered within %v", r.cfg.RestartLimit)
		case time.Since(lastSeen) > nobody:
			rep.Failed = "the server ended, and no new process came"
		}
		if rep.Failed != "" {
			break
		}
		_ = r.sleep(ctx, glance)
		if probe.due() {
			r.probe(ctx)
		}
		if pid, at := r.answers.news(trigger, known); pid != 0 {
			rep.NewPID, rep.FirstAnswer = pid, milliseconds(at.Sub(trigger))
		}
	}
	r.timeline.restarted(rep, old, trigger)
	if rep.Failed != "" {
		r.phase.End(time.Now())
		return ctx.Err()
	}
	// The restart goes on until the old process has ended, or for a moment.
	for end := time.Now().Add(settle); time.Now().Before(end) && len(r.watcher.Living()) > r.usual; {
		if err := r.sleep(ctx, livingPause); err != nil {
			break
		}
	}
	r.phase.End(time.Now())
	r.lasted = time.Since(trigger)
	return nil
}

// A turn says when it is time again for something that costs more than a glance.
type turn struct {
	pause time.Duration
	next  time.Time
}

func newTurn(pause time.Duration) turn { return turn{pause, time.Now().Add(pause)} }

func (t *turn) due() bool {
	now := time.Now()
	if now.Before(t.next) {
		return false
	}
	t.next = now.Add(t.pause)
	return true
}

// probeTurn says when to ask who answers.
func (r *run) probeTurn() turn {
	if r.answers.tell() {
		return newTurn(probePause)
	}
	return newTurn(0)
}

// trigger sends the signal, or runs the command.
func (r *run) trigger(ctx context.Context, pid int) error {
	if r.cfg.RestartCommand == "" {
		if err := unix.Kill(pid, r.cfg.Signal); err != nil {
			return fmt.Errorf("storm: %v to process %d: %w", r.cfg.Signal, pid, err)
		}
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, commandEnd)
	line := strings.ReplaceAll(r.cfg.RestartCommand, "{pid}", strconv.Itoa(pid))
	cmd := exec.CommandContext(ctx, "sh", "-c", line)
	cmd.Env = append(os.Environ(), "STORM_PID="+strconv.Itoa(pid), "STORM_ADDR="+r.addrs.Plain.String())
	cmd.WaitDelay = time.Second
	if err := cmd.Start(); err != nil {
		cancel()
		return fmt.Errorf("storm: restart command: %w", err)
	}
	// The command may return only when the old process has gone; the first answer comes sooner.
	go func() {
		defer cancel()
		if err := cmd.Wait(); err != nil {
			r.timeline.remark(fmt.Sprintf("restart command %q: %v", line, err))
		}
	}()
	return nil
}

// toSignal returns which process is to be restarted, and which serves until then. Where the first process still lives and
// has never answered, it is a master, and stays the one to tell; else each generation replaces the one before, and the
// newest that has answered is told: not whoever answers now, for an old one may be slow to stop accepting.
func (r *run) toSignal(ctx context.Context) (pid int, serving proc.ID, err error) {
	if err := r.watcher.Scan(); err != nil {
		return 0, serving, err
	}
	for range 20 {
		if r.probe(ctx) != 0 {
			break
		}
	}
	for _, id := range r.watcher.Living() {
		if r.answers.answered(id.PID) {
			serving = id
		}
	}
	if !serving.Alive() {
		serving = r.watcher.Newest()
	}
	if !serving.Alive() {
		return 0, serving, fmt.Errorf("storm: no process serves %v any more%s", r.addrs.Plain, r.serverLog())
	}
	if m := r.master(); m != 0 && m != serving.PID {
		return m, serving, nil
	}
	return serving.PID, serving, nil
}

// master returns the first process if it lives and has never answered, else 0.
func (r *run) master() int {
	if r.first.Alive() && !r.answers.answered(r.first.PID) {
		return r.first.PID
	}
	return 0
}

// undrained picks, of the living in the order in which they came, those that are too many: not the master, and not the
// newest.
func undrained(living []proc.ID, usual, master int) (old []int) {
	for _, id := range living {
		if len(old) < len(living)-usual && id.PID != master {
			old = append(old, id.PID)
		}
	}
	return old
}

func (r *run) serverLog() string {
	if r.process == nil {
		return ""
	}
	return "\n" + r.process.LogTail()
}

// waitDrained waits, under load, until there are no more processes than before the first restart.
func (r *run) waitDrained(ctx context.Context) error {
	limit := time.Now().Add(r.cfg.DrainLimit)
	for {
		living := r.watcher.Living()
		if len(living) <= r.usual {
			return nil
		}
		if time.Now().After(limit) {
			r.report.Undrained = undrained(living, r.usual, r.master())
			r.note("%d old processes still ran %v after the last restart: what they lose when they end is not in this report",
				len(living)-r.usual, r.cfg.DrainLimit)
			return nil
		}
		if err := r.sleep(ctx, 50*time.Millisecond); err != nil {
			return err
		}
	}
}
