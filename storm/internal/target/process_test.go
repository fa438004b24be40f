package target

import (
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"example.com/restart/storm/internal/proc"
)

// readyID returns the process that a role names when it is ready.
func readyID(t *testing.T, p *Process) proc.ID {
	t.Helper()
	pid, err := strconv.Atoi(said(t, p, "ready"))
	if err != nil {
		t.Fatal(err)
	}
	st, err := proc.Stat(pid)
	if err != nil {
		t.Fatal(err)
	}
	return st.ID
}

func waitExit(t *testing.T, p *Process) {
	t.Helper()
	select {
	case <-p.Exited():
	case <-time.After(patience):
		t.Fatal("the server does not end")
	}
}

func familyPIDs(p *Process) (pids []int) {
	for _, st := range p.Family() {
		pids = append(pids, st.PID)
	}
	return pids
}

func TestStartFails(t *testing.T) {
	tmp := t.TempDir()
	t.Setenv("TMPDIR", tmp)
	dir := t.TempDir()
	script := filepath.Join(dir, "script")
	if err := os.WriteFile(script, []byte("neither ELF nor #!"), 0o755); err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		name    string
		command string
		logFile string
		want    error
	}{
		{"no such program", "no-such-program-anywhere", "", exec.ErrNotFound},
		{"no such file", filepath.Join(dir, "missing"), "", fs.ErrNotExist},
		{"not a program", script, "", syscall.ENOEXEC},
		{"no directory for the log", "true", filepath.Join(dir, "missing", "log"), fs.ErrNotExist},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			p, err := Start([]string{tt.command}, nil, tt.logFile)
			if p != nil || !errors.Is(err, tt.want) || !strings.HasPrefix(err.Error(), "storm: ") {
				t.Errorf("got %v, %v, want %v", p, err, tt.want)
			}
			if left, err := os.ReadDir(tmp); err != nil || len(left) != 0 {
				t.Errorf("%d logs are left, %v, want none", len(left), err)
			}
		})
	}
}

func TestExitedAndErr(t *testing.T) {
	for script, want := range map[string]string{
		"exit 0":        "exit status 0",
		"exit $CODE":    "exit status 3",
		"kill -KILL $$": "signal: killed",
	} {
		p, err := Start([]string{"sh", "-c", script}, []string{"CODE=3"}, "")
		if err != nil {
			t.Fatal(err)
		}
		waitExit(t, p)
		if got := p.Err().Error(); got != want {
			t.Errorf("%s: got %q, want %q", script, got, want)
		}
		p.Stop(nil, 0)
	}
}

func TestLogFileIsKept(t *testing.T) {
	name := filepath.Join(t.TempDir(), "log")
	if err := os.WriteFile(name, []byte("of the run before\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	p, err := Start([]string{"sh", "-c", "echo out; echo err >&2"}, nil, name)
	if err != nil {
		t.Fatal(err)
	}
	waitExit(t, p)
	p.Stop(nil, 0)
	if got, err := os.ReadFile(name); err != nil || string(got) != "out\nerr\n" {
		t.Errorf("got %q, %v, want the output of this run", got, err)
	}
}

func TestTemporaryLogIsRemoved(t *testing.T) {
	tmp := t.TempDir()
	t.Setenv("TMPDIR", tmp)
	p := start(t, "wait")
	if left, err := os.ReadDir(tmp); err != nil || len(left) != 1 {
		t.Fatalf("got %v, %v, want one log", left, err)
	}
	p.Stop(nil, patience)
	if left, err := os.ReadDir(tmp); err != nil || len(left) != 0 {
		t.Errorf("got %v, %v, want none", left, err)
	}
	if got := p.LogTail(); got != "" {
		t.Errorf("got %q of a log that is gone", got)
	}
}

func TestLogTail(t *testing.T) {
	long := strings.Repeat("x", 1995) + "\nlast"
	for printed, want := range map[string]string{
		"":                    "",
		"\none\ntwo\n\n":      "one\ntwo",
		"first line\n" + long: long,
	} {
		p, err := Start([]string{"printf", "%s", printed}, nil, "")
		if err != nil {
			t.Fatal(err)
		}
		waitExit(t, p)
		if got := p.LogTail(); got != want {
			t.Errorf("got %d bytes, %.20q..., want %d, %.20q...", len(got), got, len(want), want)
		}
		p.Stop(nil, 0)
	}
}

func TestFamily(t *testing.T) {
	stranger := roleCommand("wait")
	if err := stranger.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() {
		_ = stranger.Process.Kill()
		_ = stranger.Wait()
	}()
	p := start(t, "parent wait")
	child := readyID(t, p)
	got, want := familyPIDs(p), []int{p.PID, child.PID}
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	if err := unix.Kill(p.PID, unix.SIGKILL); err != nil {
		t.Fatal(err)
	}
	waitExit(t, p)
	if got, want := familyPIDs(p), []int{child.PID}; !slices.Equal(got, want) {
		t.Errorf("when the first has ended: got %v, want %v", got, want)
	}
}

func TestReapLeavesNoZombie(t *testing.T) {
	p := start(t, "leave wait")
	child := readyID(t, p)
	waitExit(t, p)
	p.Reap()
	if !child.Alive() {
		t.Fatal("Reap ended a process that ran")
	}
	if err := unix.Kill(child.PID, unix.SIGKILL); err != nil {
		t.Fatal(err)
	}
	await(t, "a zombie", func() bool {
		st, err := proc.Stat(child.PID)
		if err != nil {
			t.Fatalf("%v: somebody else has reaped it", err)
		}
		return st.Zombie && st.Parent == os.Getpid()
	})
	// Not at once: a process shows as a zombie when its first thread has ended, and can be waited for when all have.
	await(t, "the zombie to be reaped", func() bool {
		p.Reap()
		_, err := proc.Stat(child.PID)
		return err != nil
	})
}

func TestStop(t *testing.T) {
	const short = 50 * time.Millisecond // only for processes that ignore SIGTERM
	type who int
	const (
		nobody who = iota
		ready
	)
	tests := []struct {
		role    string
		serving who
		grace   time.Duration
		want    int
	}{
		{"wait", nobody, patience, 0},
		{"wait", ready, patience, 0},
		{"stubborn", nobody, short, 1},
		{"stubborn", ready, short, 1}, // counted once, although it is the first and serves
		{"leave wait", ready, patience, 0},
		{"leave wait", nobody, short, 1}, // nobody told it to end
		{"leave stubborn", ready, short, 1},
		{"parent wait setsid", ready, patience, 0},
		{"leave stubborn setsid", ready, short, 1}, // the family is gone, and it serves on
	}
	for _, tt := range tests {
		name := tt.role
		if tt.serving == ready {
			name += " serving"
		}
		t.Run(name, func(t *testing.T) {
			p := start(t, tt.role)
			id := readyID(t, p)
			t.Cleanup(func() {
				if id.Alive() {
					_ = unix.Kill(id.PID, unix.SIGKILL)
				}
				_, _ = unix.Wait4(id.PID, nil, 0, nil) // Stop does not reap a process that left the session
			})
			if strings.HasPrefix(tt.role, "leave") {
				waitExit(t, p)
			}
			var serving []proc.ID
			if tt.serving == ready {
				serving = []proc.ID{id}
			}
			if got := p.Stop(serving, tt.grace); got != tt.want {
				t.Errorf("got %d killed, want %d", got, tt.want)
			}
			if id.Alive() {
				t.Error("it runs on")
			}
			if got := familyPIDs(p); len(got) != 0 {
				t.Errorf("%v are left, want none", got)
			}
			waitExit(t, p)
		})
	}
}
