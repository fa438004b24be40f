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

// Process is a server that storm started, with all its generations.
type Process struct {
	PID     int
	session int
	log     *os.File
	tempLog string // removed at the end; empty for a log that stays
	exited  chan struct{}
	err     error
}

// Start starts a server in a session of its own, so that signals of a terminal do not reach it and its descendants can be
// recognised. Its output goes to logFile, or to a temporary file that Stop removes. A pipe would break if a generation
// outlived storm.
//
// Start makes this process the reaper of orphans among its descendants (PR_SET_CHILD_SUBREAPER). The second and later
// generations are its grandchildren, and would stay zombies where PID 1 does not reap.
func Start(command, env []string, logFile string) (*Process, error) {
	if err := unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0); err != nil {
		return nil, fmt.Errorf("storm: become subreaper: %w", err)
	}
	p := &Process{exited: make(chan struct{})}
	var err error
	if logFile != "" {
		p.log, err = os.OpenFile(logFile, os.O_CREATE|os.O_RDWR|os.O_TRUNC|os.O_APPEND, 0o644)
	} else if p.log, err = os.CreateTemp("", "storm-*.log"); err == nil {
		p.tempLog = p.log.Name()
	}
	if err != nil {
		return nil, fmt.Errorf("storm: open the log of the server: %w", err)
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

// Exited is closed when the process that Start started has ended. Later generations may still run.
func (p *Process) Exited() <-chan struct{} { return p.exited }

// Err returns how that process ended. Call it after Exited is closed.
func (p *Process) Err() error {
	if p.err != nil {
		return p.err
	}
	return errors.New("exit status 0")
}

// LogTail returns the last lines of the server's output.
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
	if p.tempLog != "" {
		_ = os.Remove(p.tempLog)
	}
}

// Family returns the processes of the server's session. A generation that starts a session of its own is not among them.
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

// Reap waits for the zombies of the family that are children of this process, except the first: exec.Cmd waits for that.
func (p *Process) Reap() {
	if !childEnded() {
		return // a search of /proc costs more
	}
	self := os.Getpid()
	for _, st := range p.Family() {
		if st.Zombie && st.Parent == self && st.PID != p.PID {
			var ws unix.WaitStatus
			_, _ = unix.Wait4(st.PID, &ws, unix.WNOHANG, nil)
		}
	}
}

// childEnded reports whether this process has a zombie to wait for.
func childEnded() bool {
	var info unix.Siginfo
	err := unix.Waitid(unix.P_ALL, 0, &info, unix.WEXITED|unix.WNOHANG|unix.WNOWAIT, nil)
	return err == nil && info.Signo != 0
}

// Stop ends the server. It sends SIGTERM to the processes that serve and to the first one, and after grace SIGKILL to
// those that are left. It returns the number of those.
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
	left := map[proc.ID]bool{} // a set, because most serving processes are of the family too
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

// waitGone waits for the family, and for the serving processes that may have left its session.
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
