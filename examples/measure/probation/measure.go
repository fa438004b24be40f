package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"time"

	"example.com/restart/storm"
	"example.com/restart/storm/report"
)

// patience bounds every wait. It is a guard against hanging, never a measure.
const patience = time.Minute

// A badRelease is a way in which a new process is bad.
type badRelease struct {
	name string
	what string // for the table
	why  string // the reason with which its restart is undone

	// meanwhile is what the operator does; nil: nothing.
	meanwhile func(*trials) error
}

var badReleases = []badRelease{
	{name: "crash", what: "crashes on its first request", why: "it died (exit status 3)"},
	{name: "late", what: "crashes after a second", why: "it died (exit status 2)"},
	{name: "stopped", what: "hangs as a whole, and is killed", why: "it died (signal: killed)", meanwhile: (*trials).killStopped},
	{name: "hang", what: "answers nothing, and somebody undoes the restart", why: "Undo was called: it hangs", meanwhile: (*trials).undoHanging},
	{name: "undo", what: "gives back", why: "it gave back: bad answers"},
}

// A result is what clients lost and what the bad processes had.
type result struct {
	requests, lost, kept, survived int

	accepted int // connections that the bad processes accepted, each for one request
	closed   int // of these, after the answer
}

// measure restarts a server under load so many times. The error says what was lost that must not be.
func measure(ctx context.Context, b badRelease, times int) (r result, err error) {
	t, err := startTrials(b)
	if err != nil {
		return r, err
	}
	defer func() { err = errors.Join(err, t.end()) }()
	if err := t.await("it serves", func() bool { return t.plain != "" }); err != nil {
		return r, err
	}
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	go func() {
		defer close(t.loaded)
		t.report, t.loadErr = t.load(ctx)
	}()
	err = t.restarts(times)
	stop()
	err = errors.Join(err, t.unload())
	if err == nil {
		err = t.stop()
	}
	if err != nil {
		return r, err
	}
	r = result{
		requests: int(t.report.Requests), lost: int(t.report.Lost), kept: t.report.Kept, survived: t.report.Survived,
		accepted: t.accepted, closed: t.closed,
	}
	return r, errors.Join(r.check(b), checkClasses(t.report))
}

// check checks that nothing was lost but what a bad process had accepted, and that the old process kept all that it had.
func (r result) check(b badRelease) error {
	var errs []error
	if own := r.accepted - r.closed; r.lost > own {
		errs = append(errs, fmt.Errorf("%d requests lost, and only %d were accepted and not answered", r.lost, own))
	}
	if b.name == "undo" && r.lost > 0 {
		errs = append(errs, fmt.Errorf("%d requests lost, want that a process which gives back answers all that it has accepted", r.lost))
	}
	if r.survived != r.kept || r.kept == 0 {
		errs = append(errs, fmt.Errorf("%d of %d connections lived from first to last", r.survived, r.kept))
	}
	if r.accepted == 0 {
		errs = append(errs, errors.New("no bad process has accepted anything"))
	}
	return errors.Join(errs...)
}

// checkClasses checks that only new connections lost requests, and that none was refused.
func checkClasses(r *report.Report) error {
	var errs []error
	for _, c := range r.Classes {
		if c.Skipped != "" {
			errs = append(errs, fmt.Errorf("%s was skipped: %s", c.Name, c.Skipped))
		}
		if c.Name != "fresh" && c.Lost() > 0 || c.Refused+c.TimedOut > 0 {
			errs = append(errs, fmt.Errorf("%s lost %d requests, %d refused, %d timed out: %v", c.Name, c.Lost(), c.Refused, c.TimedOut, c.Losses))
		}
	}
	return errors.Join(errs...)
}

// trials are restarts of one server, as its processes tell of them.
type trials struct {
	bad    badRelease
	cmd    *exec.Cmd
	lines  chan string // closed when no process is left
	loaded chan struct{}

	report  *report.Report // when loaded is closed
	loadErr error

	plain, tls string // addresses
	steady     int    // how often in a row the old process had all connections
	answers    int    // connections that the old process has accepted

	accepted, closed int      // by successors
	stopped          []int    // successors that have stopped themselves
	undone           []string // why
}

func startTrials(b badRelease) (*trials, error) {
	exe, err := os.Executable()
	if err != nil {
		return nil, err
	}
	t := &trials{bad: b, cmd: exec.Command(exe, "serve", "-bad", b.name), lines: make(chan string), loaded: make(chan struct{})}
	out, err := t.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := t.cmd.Start(); err != nil {
		return nil, err
	}
	go func() {
		defer close(t.lines)
		s := bufio.NewScanner(out)
		for s.Scan() {
			t.lines <- s.Text()
		}
	}()
	return t, nil
}

// end ends the server where it still runs.
func (t *trials) end() error {
	if t.cmd.ProcessState != nil {
		return nil
	}
	_ = t.cmd.Process.Signal(syscall.SIGTERM) // it may have ended
	for range t.lines {
	}
	return t.cmd.Wait()
}

// stop stops the server in good order and hears out all processes.
func (t *trials) stop() error {
	if err := t.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		return err
	}
	if err := t.await("all processes end", nil); err != io.EOF {
		return err
	}
	return t.cmd.Wait()
}

// unload hears out the server until the load has stopped.
func (t *trials) unload() error {
	for {
		select {
		case <-t.loaded:
			return t.loadErr
		case line, ok := <-t.lines:
			if !ok {
				<-t.loaded
				return errors.Join(t.loadErr, errors.New("all processes have ended under load"))
			}
			if err := t.hear(line); err != nil {
				return err
			}
		}
	}
}

// load puts load on the server until ctx ends.
func (t *trials) load(ctx context.Context) (*report.Report, error) {
	cfg := storm.DefaultConfig()
	cfg.PID, cfg.Addr, cfg.TLSAddr = t.cmd.Process.Pid, t.plain, t.tls
	cfg.Restarts, cfg.Cooldown = 0, 24*time.Hour
	cfg.Load = sizes()
	return storm.Run(ctx, cfg)
}

// restarts restarts the server when all clients are there, and again when that was undone.
func (t *trials) restarts(times int) error {
	// New clients come and go, and may stand for one that is still to come.
	if err := t.await("all clients have connected", func() bool { return t.steady >= 20 }); err != nil {
		return err
	}
	for n := 1; n <= times; n++ {
		if err := t.cmd.Process.Signal(syscall.SIGHUP); err != nil {
			return err
		}
		if t.bad.meanwhile != nil {
			if err := t.bad.meanwhile(t); err != nil {
				return err
			}
		}
		if err := t.await("the restart is undone", func() bool { return len(t.undone) == n }); err != nil {
			return err
		}
		if why := t.undone[n-1]; !strings.Contains(why, t.bad.why) {
			return fmt.Errorf("the restart was undone: got %q, want %q", why, t.bad.why)
		}
		before := t.answers
		if err := t.await("the old process accepts", func() bool { return t.answers >= before+10 }); err != nil {
			return err
		}
	}
	return nil
}

// undoHanging lets the old process undo the restart when some clients wait for the new one.
func (t *trials) undoHanging() error {
	before := t.accepted
	if err := t.await("the new process has requests", func() bool { return t.accepted >= before+10 }); err != nil {
		return err
	}
	return t.cmd.Process.Signal(syscall.SIGUSR1)
}

// killStopped kills the process that has stopped when some clients wait for somebody who accepts them.
func (t *trials) killStopped() error {
	n := len(t.stopped)
	if err := t.await("the new process stops", func() bool { return len(t.stopped) > n }); err != nil {
		return err
	}
	bound := time.Now().Add(patience)
	for {
		waiting, err := acceptQueue(t.plain)
		switch {
		case err != nil:
			return err
		case waiting >= 10:
			return syscall.Kill(t.stopped[n], syscall.SIGKILL)
		case time.Now().After(bound):
			return fmt.Errorf("%d clients wait, want 10", waiting)
		}
		time.Sleep(time.Millisecond)
	}
}

// await hears what the processes say until it is so. A nil condition never is: the error is io.EOF when all have ended.
func (t *trials) await(what string, so func() bool) error {
	bound := time.After(patience)
	for so == nil || !so() {
		select {
		case line, ok := <-t.lines:
			if !ok {
				if so == nil {
					return io.EOF
				}
				return fmt.Errorf("wait until %s: all processes have ended", what)
			}
			if err := t.hear(line); err != nil {
				return err
			}
		case <-bound:
			return fmt.Errorf("wait until %s: not within %v", what, patience)
		}
	}
	return nil
}

// hear takes a line of one of the processes, see server.go.
func (t *trials) hear(line string) error {
	word, rest, _ := strings.Cut(line, " ")
	switch word {
	case "serving":
		_, err := fmt.Sscan(rest, &t.plain, &t.tls)
		return err
	case "open":
		var plain, tls int
		if _, err := fmt.Sscan(rest, &plain, &tls); err != nil {
			return err
		}
		t.answers++
		t.steady++
		s := sizes()
		if plain <= s.Busy+s.Think+s.Idle+s.Slow+s.Download+s.Pipeline+s.WS+s.WSMove || tls < s.TLS+s.HTTP2 {
			t.steady = 0
		}
	case "accepted":
		t.accepted++
	case "closed":
		t.closed++
	case "stopped":
		var pid int
		if _, err := fmt.Sscan(rest, &pid); err != nil {
			return err
		}
		t.stopped = append(t.stopped, pid)
	case "undone":
		t.undone = append(t.undone, rest)
	default:
		return fmt.Errorf("the server said %q", line)
	}
	return nil
}

// acceptQueue returns how many connections wait to be accepted at an address.
func acceptQueue(address string) (n int, err error) {
	b, err := os.ReadFile("/proc/net/tcp")
	if err != nil {
		return 0, err
	}
	var ip [4]int
	var port int
	if _, err := fmt.Sscanf(address, "%d.%d.%d.%d:%d", &ip[0], &ip[1], &ip[2], &ip[3], &port); err != nil {
		return 0, fmt.Errorf("address %s: %w", address, err)
	}
	local := fmt.Sprintf("%02X%02X%02X%02X:%04X", ip[3], ip[2], ip[1], ip[0], port)
	for line := range strings.Lines(string(b)) {
		if f := strings.Fields(line); len(f) > 4 && f[1] == local && f[3] == listening {
			_, err := fmt.Sscanf(f[4], "00000000:%X", &n)
			return n, err
		}
	}
	return 0, fmt.Errorf("nobody listens on %s", address)
}

// listening is TCP_LISTEN as proc(5) shows it.
const listening = "0A"
