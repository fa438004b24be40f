//go:build linux && !restart_portable

package main

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"

	"example.com/restart"
	"example.com/restart/internal/keeper"
	"example.com/restart/internal/proctest"
)

// first returns a command line that makes the command the first process of a PID
// namespace.
func first(t *testing.T, command ...string) []string {
	t.Helper()
	args := []string{"unshare", "--pid", "--fork", "--mount-proc", "--kill-child"}
	if os.Geteuid() != 0 {
		args = append(args, "--map-root-user")
	}
	if out, err := exec.Command(args[0], append(args[1:], "true")...).CombinedOutput(); err != nil {
		t.Skipf("not tried as PID 1: no PID namespace to be had here: %v: %s", err, out)
	}
	return append(args, command...)
}

// child returns the only child of a process.
func child(t *testing.T, pid int) (child int) {
	t.Helper()
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/task/%d/children", pid, pid))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := fmt.Sscan(string(b), &child); err != nil {
		t.Fatalf("children %q: %v", b, err)
	}
	return child
}

// The keeper is the first process of a container: the command, and the program
// itself by its own choice.
func TestFirstProcess(t *testing.T) {
	for name, tt := range map[string]struct {
		role    string
		command []string
	}{
		"command": {"keeper", append([]string{executable(t), "--"}, as(t, "server")...)},
		"option":  {"server", []string{executable(t)}},
	} {
		t.Run(name, func(t *testing.T) {
			k := keep(t, tt.role, first(t, tt.command...)...)
			k.keeper = child(t, k.PID())
			pid, parent := k.who()
			if pid == 1 || parent != 1 {
				t.Fatalf("got process %d with parent %d, want parent 1", pid, parent)
			}
			stop := k.load()
			for n := 2; n <= 4; n++ {
				k.signal(syscall.SIGHUP)
				k.serves(n)
			}
			stop()
			if next, parent := k.who(); next == pid || parent != 1 {
				t.Errorf("got process %d with parent %d, want another than %d with parent 1", next, parent, pid)
			}
			for range 3 {
				if got := k.ask("orphan"); got != "<nil>" {
					t.Fatal(got)
				}
			}
			k.kill(4)
			k.ask("who") // comes while nobody accepts, or soon after
			k.serves(5)
			awaitNoZombie(k)
			if got := k.ask("status 7"); got != "noted" {
				t.Fatal(got)
			}
			k.finishes(func() { k.signal(syscall.SIGTERM) }, 7)
		})
	}
}

// awaitNoZombie polls: an end is seen a moment after it.
func awaitNoZombie(k *kept) {
	k.t.Helper()
	proctest.Poll(k.t, "no zombie is left", func() error {
		if got := k.ask("zombies"); got != "0" {
			return fmt.Errorf("got %s zombies", got)
		}
		return nil
	})
}

// Clients that come while the program is dead wait for the next one.
func TestKilledProgram(t *testing.T) {
	k := keep(t, "keeper", append([]string{executable(t), "--"}, as(t, "server")...)...)
	k.signal(syscall.SIGHUP)
	k.serves(2)
	for n := 3; n <= 5; n++ {
		k.kill(n - 1)
		var waiting []*client
		for range 20 {
			c := k.dial()
			fmt.Fprintln(c, "who")
			waiting = append(waiting, c)
		}
		for _, c := range waiting {
			if !c.lines.Scan() {
				t.Fatalf("no answer: %v", c.lines.Err())
			}
			c.Close()
		}
		k.serves(n)
	}
	k.signal(syscall.SIGHUP) // the started program can be restarted
	k.serves(6)
	k.finishes(func() { k.signal(syscall.SIGTERM) }, 0)
}

// An operator needs no other program and no other command.
func TestOperatorsVariable(t *testing.T) {
	t.Setenv(keeper.Var, "1")
	k := keep(t, "server", executable(t))
	if _, parent := k.who(); parent != k.PID() {
		t.Errorf("got parent %d, want %d", parent, k.PID())
	}
	k.signal(syscall.SIGHUP)
	k.serves(2)
	if _, parent := k.who(); parent != k.PID() {
		t.Errorf("got parent %d after a restart, want %d", parent, k.PID())
	}
	k.kill(2)
	k.serves(3)
	k.finishes(func() { k.signal(syscall.SIGINT) }, 0)
}

// The keeper watches the old process until the probation is over: a release that
// crashes or is undone is none of its business.
func TestProbation(t *testing.T) {
	t.Setenv("TEST_PROBATION", "1h")
	k := keep(t, "keeper", append([]string{executable(t), "--"}, as(t, "server")...)...)
	old := k.dial() // stays in the first process

	k.signal(syscall.SIGHUP)
	k.serves(2)
	old.awaitState(restart.StateProbation)
	k.kill(2)
	old.awaitState(restart.StateServing)

	k.signal(syscall.SIGHUP)
	k.serves(3)
	old.awaitState(restart.StateProbation)
	if got := k.ask("undo bad answers"); got != "<nil>" {
		t.Fatal(got)
	}
	old.awaitState(restart.StateServing)
	if stderr := k.Stderr(); strings.Contains(stderr, "restart-keeper: the main process is another one") || strings.Contains(stderr, "has crashed") {
		t.Errorf("the keeper has noticed:\n%s", stderr)
	}

	// The next but one ends the probation of the next.
	k.signal(syscall.SIGHUP)
	k.serves(4)
	old.awaitState(restart.StateProbation)
	old.Close()
	k.signal(syscall.SIGHUP)
	k.serves(5)
	k.awaitWords("restart-keeper: the main process is another one")
	k.finishes(func() { k.signal(syscall.SIGTERM) }, 0)
}

func TestProgramThatCrashesAtOnce(t *testing.T) {
	f := proctest.Start(t, "keeper", exec.Command(executable(t), append([]string{"-crash-limit", "4", "--"}, as(t, "crash")...)...))
	f.WaitEnd()
	if got := f.Count("crashing"); got != 4 {
		t.Errorf("got %d starts, want 4", got)
	}
	if !strings.Contains(f.Stderr(), "giving up") || !strings.Contains(f.Stderr(), "status=9") {
		t.Errorf("got %s", f.Stderr())
	}
}

// The keeper's own program is replaced, and it still knows everything.
func TestKeeperIsReplaced(t *testing.T) {
	for name, command := range map[string][]string{
		"command": append([]string{executable(t), "--"}, as(t, "server")...),
		"option":  {executable(t)},
	} {
		t.Run(name, func(t *testing.T) {
			role := "keeper"
			if name == "option" {
				role = "server"
				t.Setenv(keeper.Var, "1")
			}
			k := keep(t, role, command...)
			stop := k.load()
			pid, _ := k.who()
			k.signal(keeper.ReplaceSignal)
			k.awaitWords("has replaced its own program")
			if now, parent := k.who(); now != pid || parent != k.PID() {
				t.Errorf("got process %d with parent %d, want %d with %d", now, parent, pid, k.PID())
			}
			k.signal(syscall.SIGHUP)
			k.serves(2)
			stop()
			k.kill(2)
			k.ask("who")
			k.serves(3)
			k.finishes(func() { k.signal(syscall.SIGTERM) }, 0)
		})
	}
}

// A new binary that cannot be the keeper must not become it: PID 1 would die.
func TestKeeperIsNotReplacedByABadProgram(t *testing.T) {
	path := t.TempDir() + "/keeper"
	if err := os.Symlink(executable(t), path); err != nil {
		t.Fatal(err)
	}
	k := keep(t, "keeper", append([]string{path, "--"}, as(t, "server")...)...)
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("/bin/false", path); err != nil {
		t.Fatal(err)
	}
	k.signal(keeper.ReplaceSignal)
	k.awaitWords("cannot be replaced")
	k.signal(syscall.SIGHUP)
	k.serves(2)
	k.finishes(func() { k.signal(syscall.SIGTERM) }, 0)
}

// timeout(1) bounds the program, not its first process.
func TestTimeout(t *testing.T) {
	k := keep(t, "keeper", append([]string{"timeout", "1h", executable(t), "--"}, as(t, "server")...)...)
	timeout := k.PID()
	k.keeper = child(t, timeout)
	k.signal(syscall.SIGHUP)
	k.serves(2)
	// As if its time were up, but for the status.
	k.finishes(func() {
		if err := syscall.Kill(timeout, syscall.SIGTERM); err != nil {
			t.Fatal(err)
		}
	}, 0)
}

// Whoever kills the keeper must not leave a server behind that keeps the address
// from the next one.
func TestKilledKeeper(t *testing.T) {
	k := keep(t, "keeper", append([]string{executable(t), "--"}, as(t, "server")...)...)
	k.signal(syscall.SIGHUP)
	k.serves(2)
	k.finishes(func() { k.signal(syscall.SIGKILL) }, -1)
}

func TestProgramThatIsNotThere(t *testing.T) {
	for command, want := range map[string]int{"/no/such/program": keeper.StatusNotFound, "no-such-program": keeper.StatusNotFound, "/etc/passwd": keeper.StatusNotExecutable} {
		cmd := exec.Command(executable(t), "--", command)
		cmd.Env = append(os.Environ(), proctest.RoleVar+"=keeper")
		out, _ := cmd.CombinedOutput()
		if got := cmd.ProcessState.ExitCode(); got != want || !strings.Contains(string(out), "cannot start the program") {
			t.Errorf("%s: got %v, want exit status %d: %s", command, cmd.ProcessState, want, out)
		}
	}
}

// Signals of the program's own end are passed on as a shell does.
func TestStatusOfASignal(t *testing.T) {
	cmd := exec.Command(executable(t), "-crash-limit", "1", "--", "sh", "-c", "kill -9 $$")
	cmd.Env = append(os.Environ(), proctest.RoleVar+"=keeper")
	if out, _ := cmd.CombinedOutput(); cmd.ProcessState.ExitCode() != 128+9 {
		t.Errorf("got %v, want exit status 137: %s", cmd.ProcessState, out)
	}
}

// What the program leaves behind ends with it.
func TestLeftProcesses(t *testing.T) {
	k := exec.Command(executable(t), "-crash-limit", "1", "--", "sh", "-c", "sleep 1h & exit 3")
	k.Env = append(os.Environ(), proctest.RoleVar+"=keeper")
	out, _ := k.CombinedOutput() // returns when nobody has the output any more
	if k.ProcessState.ExitCode() != 3 || !strings.Contains(string(out), "left processes behind") {
		t.Errorf("got %v: %s", k.ProcessState, out)
	}
}

// A script that does not exec gets a hint.
func TestScriptWithoutExec(t *testing.T) {
	script := append([]string{executable(t), "--", "sh", "-c", `"$@"; exit $?`, "sh"}, as(t, "server")...)
	k := keep(t, "keeper", script...)
	k.awaitWords(`let it do so with \"exec\"`)
	pid, _ := k.who()
	if err := syscall.Kill(pid, syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	k.ends(0)
}

// A socket that a manager has opened for the keeper goes to the program, also after a
// crash.
func TestSocketsOfTheManager(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	f, err := ln.(*net.TCPListener).File()
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	cmd := exec.Command("sh", append([]string{"-c", `LISTEN_PID=$$ LISTEN_FDS=1 LISTEN_FDNAMES=web exec "$@"`, "sh", executable(t), "--"}, as(t, "server")...)...)
	cmd.ExtraFiles = []*os.File{f}
	k := &kept{t: t, cmd: cmd}
	k.Family = proctest.Start(t, "keeper", cmd)
	k.keeper = k.PID()
	k.findAddr()
	if k.addr != ln.Addr().String() {
		t.Errorf("got address %s, want %s", k.addr, ln.Addr())
	}
	k.kill(1)
	k.ask("who")
	k.signal(syscall.SIGTERM)
	k.WaitEnd()
}
