//go:build linux && !restart_portable

package main

import (
	"bufio"
	"context"
	"fmt"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"example.com/restart"
	"example.com/restart/internal/proctest"
	"example.com/restart/tcp"
)

func TestMain(m *testing.M) {
	os.Exit(proctest.Main(m, map[string]func(){
		"keeper": keeperRole,
		"server": serverRole,
		"crash":  crashRole,
	}))
}

// keeperRole is the command with the arguments of the process. The program that it
// starts plays the role which its first argument names.
func keeperRole() { main() }

// as returns a command line for a program that plays a role below a keeper.
func as(t testing.TB, role string) []string {
	t.Helper()
	proctest.Use(role)
	return []string{"/usr/bin/env", proctest.RoleVar + "=" + role, executable(t)}
}

func executable(t testing.TB) string {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	return exe
}

// crashRole is a program that cannot run.
func crashRole() {
	fmt.Println("crashing")
	os.Exit(9)
}

// serverRole answers lines on a TCP address.
func serverRole() {
	probation, _ := time.ParseDuration(os.Getenv("TEST_PROBATION"))
	r, err := restart.New(restart.Options{Logger: slog.New(slog.NewTextHandler(os.Stderr, nil)), Probation: probation})
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	var status atomic.Int64
	addr, err := r.Add("web", "tcp", "127.0.0.1:0", tcp.New(func(_ context.Context, c net.Conn) {
		lines := bufio.NewScanner(c)
		for lines.Scan() {
			switch word, arg, _ := strings.Cut(lines.Text(), " "); word {
			case "who":
				fmt.Fprintf(c, "%d %d %d\n", os.Getpid(), os.Getppid(), r.Status().Generation)
			case "hold": // the client decides how long it takes
				fmt.Fprintln(c, "held")
				if lines.Scan() {
					fmt.Fprintln(c, "done")
				}
			case "zombies":
				fmt.Fprintln(c, zombies())
			case "orphan":
				fmt.Fprintln(c, exec.Command("sh", "-c", "sh -c : &").Run())
			case "status": // to end with
				n, _ := strconv.Atoi(arg)
				status.Store(int64(n))
				fmt.Fprintln(c, "noted")
			case "state":
				fmt.Fprintln(c, r.Status().State)
			case "undo":
				fmt.Fprintln(c, r.Undo(arg))
			case "die": // if that is meant for this process
				if arg == strconv.Itoa(os.Getpid()) {
					syscall.Kill(os.Getpid(), syscall.SIGKILL)
				}
				fmt.Fprintln(c, "another")
			}
		}
	}))
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	go func() {
		<-r.Serving()
		fmt.Printf("serves pid=%d addr=%s\n", os.Getpid(), addr)
	}()
	if err := r.Run(context.Background()); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(int(status.Load()))
}

// zombies returns how many processes have ended and not been reaped, of those
// that this one sees.
func zombies() (n int) {
	stats, _ := filepath.Glob("/proc/[0-9]*/stat")
	for _, path := range stats {
		b, _ := os.ReadFile(path) // it may have ended
		if strings.Contains(string(b), ") Z ") {
			n++
		}
	}
	return n
}

// A kept is a server below a keeper.
type kept struct {
	*proctest.Family
	t      *testing.T
	cmd    *exec.Cmd
	keeper int // PID, as the test sees it
	addr   string
	output string // file of all that is written; empty: the family's pipes
}

// keep starts the command line and waits until the server serves.
func keep(t *testing.T, role string, command ...string) *kept {
	t.Helper()
	k := &kept{t: t, cmd: exec.Command(command[0], command[1:]...)}
	k.Family = proctest.Start(t, role, k.cmd)
	k.keeper = k.PID()
	k.findAddr()
	return k
}

func (k *kept) findAddr() {
	k.t.Helper()
	_, addr, _ := strings.Cut(k.serves(1), "addr=")
	k.addr = strings.TrimSpace(addr)
}

// serves waits for the nth process that serves.
func (k *kept) serves(n int) string {
	k.t.Helper()
	if k.output != "" {
		return awaitFile(k.t, k.output, n, "serves pid=")
	}
	return k.Wait(n, "serves pid=")
}

// awaitWords waits for what only the keeper's log says.
func (k *kept) awaitWords(words string) {
	k.t.Helper()
	if k.output != "" {
		awaitFile(k.t, k.output, 1, words)
		return
	}
	proctest.Poll(k.t, "the keeper has logged it", func() error {
		if !strings.Contains(k.Stderr(), words) {
			return fmt.Errorf("no %q", words)
		}
		return nil
	})
}

// awaitFile waits until a file has n lines with the words, and returns the last of
// them.
func awaitFile(t *testing.T, path string, n int, words string) (line string) {
	t.Helper()
	proctest.Poll(t, "the output has been written", func() error {
		b, err := os.ReadFile(path)
		if err != nil {
			return err // it may be made later
		}
		lines := strings.Split(string(b), "\n")
		left := n
		for _, line = range lines[:len(lines)-1] {
			if strings.Contains(line, words) {
				if left--; left == 0 {
					return nil
				}
			}
		}
		return fmt.Errorf("%s has not %d lines with %q", filepath.Base(path), n, words)
	})
	return line
}

func (k *kept) signal(sig syscall.Signal) {
	k.t.Helper()
	if err := syscall.Kill(k.keeper, sig); err != nil {
		k.t.Fatalf("signal keeper: %v", err)
	}
}

// A client has one connection and never tries twice.
type client struct {
	t testing.TB
	net.Conn
	lines *bufio.Scanner
}

func (k *kept) dial() *client {
	k.t.Helper()
	c, err := net.DialTimeout("tcp", k.addr, proctest.Patience)
	if err != nil {
		k.t.Fatal(err)
	}
	k.t.Cleanup(func() { c.Close() })
	c.SetDeadline(time.Now().Add(proctest.Patience))
	return &client{k.t, c, bufio.NewScanner(c)}
}

func (c *client) ask(line string) string {
	c.t.Helper()
	fmt.Fprintln(c, line)
	if !c.lines.Scan() {
		c.t.Fatalf("%s: no answer: %v", line, c.lines.Err())
	}
	return c.lines.Text()
}

// awaitState polls: a process does not tell of its states.
func (c *client) awaitState(want restart.State) {
	c.t.Helper()
	c.SetDeadline(time.Now().Add(2 * proctest.Patience)) // Poll gives up first
	proctest.Poll(c.t, "the process has changed its state", func() error {
		if got := c.ask("state"); got != want.String() {
			return fmt.Errorf("got state %s, want %v", got, want)
		}
		return nil
	})
}

// ask asks on a new connection.
func (k *kept) ask(line string) string {
	k.t.Helper()
	c := k.dial()
	defer c.Close()
	return c.ask(line)
}

// who returns the PIDs of the process that serves and of its parent, as they see
// themselves.
func (k *kept) who() (pid, parent int) {
	k.t.Helper()
	answer := k.ask("who")
	if n, err := fmt.Sscan(answer, &pid, &parent, new(int)); n != 3 {
		k.t.Fatalf("%q: %v", answer, err)
	}
	return pid, parent
}

// kill makes the nth process that has served die by SIGKILL, and returns when it
// is dead. The one before it may still accept for a moment.
func (k *kept) kill(n int) {
	k.t.Helper()
	line := k.serves(n)
	_, pid, _ := strings.Cut(line, "pid=")
	pid, _, _ = strings.Cut(pid, " ")
	for bound := time.Now().Add(proctest.Patience); time.Now().Before(bound); {
		c := k.dial()
		fmt.Fprintln(c, "die "+pid)
		another := c.lines.Scan()
		c.Close()
		if !another {
			return
		}
	}
	k.t.Fatal("the process that was to die does not answer")
}

// load asks all the time, each time on a new connection, until the function that
// it returns is called. A request that is lost fails the test.
func (k *kept) load() (stop func()) { k.t.Helper(); return proctest.Load(k.t, k.once) }

func (k *kept) once() error {
	c, err := net.DialTimeout("tcp", k.addr, proctest.Patience)
	if err != nil {
		return err
	}
	defer c.Close()
	c.SetDeadline(time.Now().Add(proctest.Patience))
	fmt.Fprintln(c, "who")
	_, err = bufio.NewReader(c).ReadString('\n')
	return err
}

// ends waits until nothing is left, and checks the status of the first process.
func (k *kept) ends(status int) {
	k.t.Helper()
	k.WaitEnd()
	_ = k.cmd.Wait()
	if got := k.cmd.ProcessState.ExitCode(); got != status {
		k.t.Errorf("got %v, want exit status %d", k.cmd.ProcessState, status)
	}
	if c, err := net.Dial("tcp", k.addr); err == nil {
		c.Close()
		k.t.Error("somebody still listens")
	}
}

// finishes checks that a stop waits for what was begun.
func (k *kept) finishes(stop func(), status int) {
	k.t.Helper()
	slow := k.dial()
	if got := slow.ask("hold"); got != "held" {
		k.t.Fatalf("got %q", got)
	}
	stop()
	if got := slow.ask("go on"); got != "done" {
		k.t.Errorf("got %q, want the request finished", got)
	}
	slow.Close()
	k.ends(status)
}
