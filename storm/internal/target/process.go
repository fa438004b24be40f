package target

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"example.com/restart/storm/internal/proc"
)

// Process is a server that we started, with all its generations.
type Process struct {
	PID     int
	session int
	log     *os.File
	ownLog  string // to be removed
	exited  chan struct{}
	err     error
}

// Start starts a server in a session of its own, so that a terminal's signals do not reach it and its descendants can be
// told from anybody else's. What it prints goes to logFile, or to a temporary file that is removed in the end: never to a
// pipe, which would break when a later generation outlives us.
//
// From here on this process is the reaper of orphans among its descendants (PR_SET_CHILD_SUBREAPER): second and later
// generations are its grandchildren, and where PID 1 does not reap they would stay as zombies.
func Start(command, env []string, logFile string) (*Process, error) {
	if err := unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0); err != nil {
		return nil, fmt.Errorf("storm: become the reaper: %w", err)
	}
	p := &Process{exited: make(chan struct{})}
	var err error
	if logFile != "" {
		p.log, err = os.OpenFile(logFile, os.O_CREATE|os.O_RDWR|os.O_TRUNC|os.O_APPEND, 0o644)
	} else if p.log, err = os.CreateTemp("", "storm-*.log"); err == nil {
		p.ownLog = p.log.Name()
	}
	if err != nil {
		return nil, fmt.Errorf("storm: server's log: %w", err)
	}
	path, err := exec.LookPath(command[0])
	if err == nil {
		path, err = filepath.Abs(path)
	}
	if err != nil {
		p.closeLog()
		return nil, fmt.Errorf("storm: %w", err)
	}
	cmd := exec.Command(path, command[1:]...)
	cmd.Env = append(os.Environ(), env...)
	cmd.Stdout, cmd.Stderr = p.log, p.log
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := cmd.Start(); err != nil {
		p.closeLog()
		return nil, fmt.Errorf("storm: start the server: %w", err)
	}
	p.PID, p.session = cmd.Process.Pid, cmd.Process.Pid
	go func() {
		p.err = cmd.Wait()
		close(p.exited)
	}()
	return p, nil
}

// Exited is closed when the process that was started has ended; later generations may live.
func (p *Process) Exited() <-chan struct{} { return p.exited }

// Err returns how it ended, after Exited.
func (p *Process) Err() error {
	if p.err != nil {
		return p.err
	}
	return errors.New("exit status 0")
}

// LogTail returns the last lines that the server printed.
func (p *Process) LogTail() string {
	const most = 2000
	st, err := p.log.Stat()
	if err != nil {
		return ""
	}
	b := make([]byte, most)
	n, err := p.log.ReadAt(b, max(0, st.Size()-most))
	if err != nil && err != io.EOF {
		return ""
	}
	return strings.TrimSpace(string(b[:n]))
}

func (p *Process) closeLog() {
	_ = p.log.Close()
	if p.ownLog != "" {
		_ = os.Remove(p.ownLog)
	}
}

// Family returns the processes that descend from what was started: those of its session, and those it left to us.
func (p *Process) Family() []proc.Status {
	pids, err := proc.All()
	if err != nil {
		return nil
	}
	var family []proc.Status
	for _, pid := range pids {
		if st, err := proc.Stat(pid); err == nil && (st.Session == p.session || pid == p.PID) {
			family = append(family, st)
		}
	}
	return family
}

// Reap waits for the zombies of the family that were left to us. The first process is not among them: exec.Cmd waits for
// that one.
func (p *Process) Reap() {
	if !childEnded() {
		return // to look through /proc would cost more
	}
	self := os.Getpid()
	for _, st := range p.Family() {
		if st.Zombie && st.Parent == self && st.PID != p.PID {
			var ws unix.WaitStatus
			_, _ = unix.Wait4(st.PID, &ws, unix.WNOHANG, nil)
		}
	}
}

// childEnded reports whether any child of ours has ended and was not waited for.
func childEnded() bool {
	var info unix.Siginfo
	err := unix.Waitid(unix.P_ALL, 0, &info, unix.WEXITED|unix.WNOHANG|unix.WNOWAIT, nil)
	return err == nil && info.Signo != 0
}

// Stop ends the family: SIGTERM to those that serve and to the first, and after grace SIGKILL to whoever is left. It
// returns how many had to be killed.
func (p *Process) Stop(serving []proc.ID, grace time.Duration) (killed int) {
	defer p.closeLog()
	for _, id := range serving {
		if id.Alive() {
			_ = unix.Kill(id.PID, unix.SIGTERM)
		}
	}
	select {
	case <-p.exited:
	default:
		_ = unix.Kill(p.PID, unix.SIGTERM)
	}
	if p.waitGone(serving, grace) {
		return 0
	}
	left := map[proc.ID]bool{} // most that serve are of the family too
	for _, st := range p.Family() {
		if !st.Zombie {
			left[st.ID] = true
		}
	}
	for _, id := range serving {
		if id.Alive() {
			left[id] = true
		}
	}
	for id := range left {
		_ = unix.Kill(id.PID, unix.SIGKILL)
	}
	p.waitGone(serving, 2*time.Second)
	return len(left)
}

// waitGone waits for the family and for those that serve: a generation may have left the session.
func (p *Process) waitGone(serving []proc.ID, limit time.Duration) bool {
	deadline := time.Now().Add(limit)
	for {
		p.Reap()
		if len(p.Family()) == 0 && !slices.ContainsFunc(serving, proc.ID.Alive) {
			return true
		}
		if time.Now().After(deadline) {
			return false
		}
		time.Sleep(10 * time.Millisecond)
	}
}
