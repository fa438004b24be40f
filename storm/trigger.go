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
)

// commandLimit is how long a restart command may run.
const commandLimit = 60 * time.Second

// toRestart returns the process that gets the signal, and the one that serves until then. If the first process still runs
// and has never answered, it is a master and gets every signal. Else each generation replaces the one before, and the
// newest that has answered gets the signal. That is not always the one that answers now: an old process may be slow to
// stop accepting.
func (r *run) toRestart(ctx context.Context) (pid int, serving proc.ID, err error) {
	if err := r.server.watcher.Scan(); err != nil {
		return 0, serving, err
	}
	for range 20 {
		if r.probe(ctx) != 0 {
			break
		}
	}
	for _, id := range r.server.living() {
		if r.answers.answered(id.PID) {
			serving = id
		}
	}
	if !serving.Alive() {
		serving = r.server.newest()
	}
	if !serving.Alive() {
		return 0, serving, fmt.Errorf("storm: no process serves %v any more%s", r.server.addrs.Plain, r.server.logTail())
	}
	if m := r.master(); m != 0 && m != serving.PID {
		return m, serving, nil
	}
	return serving.PID, serving, nil
}

// master returns the first process if it still runs and has never answered, else 0.
func (r *run) master() int {
	if r.server.first.Alive() && !r.answers.answered(r.server.first.PID) {
		return r.server.first.PID
	}
	return 0
}

// trigger sends the signal or starts the restart command.
func (r *run) trigger(ctx context.Context, pid int) error {
	if r.cfg.RestartCommand == "" {
		if err := unix.Kill(pid, r.cfg.Signal); err != nil {
			return fmt.Errorf("storm: send %v to process %d: %w", r.cfg.Signal, pid, err)
		}
		return nil
	}
	ended, err := r.startCommand(ctx, pid)
	if err != nil {
		return err
	}
	// The command may take until the old process has ended. The first answer of the new one comes sooner.
	go func() {
		if err := <-ended; err != nil {
			r.timeline.remark(fmt.Sprintf("restart command %q: %v", r.cfg.RestartCommand, err))
		}
	}()
	return nil
}

// startCommand starts the restart command. The channel gives the way in which the command ended.
func (r *run) startCommand(ctx context.Context, pid int) (ended <-chan error, err error) {
	ctx, cancel := context.WithTimeout(ctx, commandLimit)
	number := strconv.Itoa(pid)
	cmd := exec.CommandContext(ctx, "sh", "-c", strings.ReplaceAll(r.cfg.RestartCommand, pidPlaceholder, number))
	cmd.Env = append(os.Environ(), "STORM_PID="+number, "STORM_ADDR="+r.server.plainAddr())
	cmd.WaitDelay = time.Second
	if err := cmd.Start(); err != nil {
		cancel()
		return nil, fmt.Errorf("storm: restart command: %w", err)
	}
	result := make(chan error, 1)
	go func() {
		defer cancel()
		result <- cmd.Wait()
	}()
	return result, nil
}
