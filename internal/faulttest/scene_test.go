//go:build linux

package faulttest

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"sync/atomic"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"example.com/restart/internal/proctest"
)

// A scene is a server in processes of its own, its clients, and what the test does
// to them. The server is in its second generation when the fault happens: it has
// inherited what the third is to inherit.
type scene struct {
	*proctest.Family
	t      *testing.T
	row    *row
	dir    string
	config config
	env    []string
	load   *load
	old    int       // the process that is to be replaced
	before resources // what it holds at first; none if it is played
	kept   bool
	keeper int // if it is kept
}

// scenes counts them, for addresses.
var scenes atomic.Int32

// newScene starts a server and its clients.
func newScene(t *testing.T, r *row) *scene {
	t.Helper()
	n := scenes.Add(1)
	s := &scene{t: t, row: r, dir: t.TempDir()}
	// A host of 127.0.0.0/8 for each process that tests and a port below those of
	// clients: the address is free when a new process binds it again.
	pid := os.Getpid()
	s.config.Web = fmt.Sprintf("127.%d.%d.%d:%d", 1+pid>>16&0x7f, pid>>8&0xff, pid&0xff, 10_000+n%10_000)
	if err := os.Mkdir(s.file("run"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Mkfifo(gateFile(s.dir), 0o600); err != nil {
		t.Fatal(err)
	}
	s.install(testBinary(t))
	if r.prepare != nil {
		r.prepare(s)
	}
	if r.played {
		s.configure(r.config)
		s.start("predecessor")
		s.load = newLoad(t, s.dir, s.config.Web)
		s.old = s.PID()
		return s
	}
	s.configure(nil)
	s.start("server")
	s.load = newLoad(t, s.dir, s.config.Web)
	for _, c := range s.load.kept {
		s.load.askAgain(c)
	}
	first := s.who()
	s.configure(r.config)
	s.old = s.replace()
	s.configure(nil)
	s.WaitExit(first)
	return s
}

func (s *scene) file(name string) string { return filepath.Join(s.dir, name) }

func testBinary(t *testing.T) string {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	return exe
}

// install makes another file the program: a symbolic link, because a file that was
// just written may still be open in a process that is being started.
func (s *scene) install(file string) {
	s.t.Helper()
	err := os.Symlink(file, s.file("prog.new"))
	if err == nil {
		err = os.Rename(s.file("prog.new"), s.file("prog"))
	}
	if err != nil {
		s.t.Fatal(err)
	}
}

// configure says what the next generation serves.
func (s *scene) configure(change func(*config)) {
	s.t.Helper()
	c := s.config
	if change != nil {
		change(&c)
	}
	writeJSON(s.t, s.file("config.json"), c)
}

func writeJSON(t *testing.T, file string, v any) {
	t.Helper()
	b, err := json.Marshal(v)
	if err == nil {
		err = os.WriteFile(file+".new", b, 0o600)
	}
	if err == nil {
		err = os.Rename(file+".new", file)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// start starts a process that has no predecessor, and waits until it serves.
func (s *scene) start(role string) {
	s.t.Helper()
	cmd := exec.Command(s.file("prog"))
	cmd.Env = append(os.Environ(), dirVar+"="+s.dir)
	cmd.Env = append(cmd.Env, s.env...)
	s.Family = proctest.Start(s.t, role, cmd)
	if s.kept {
		s.keeper = s.PID() // it was the program for a moment
	}
	proctest.Poll(s.t, "the first process serves", func() error {
		_, err := once("tcp", s.config.Web, "/")
		if err == nil {
			_, err = once("unix", sideSocket(s.dir), "/")
		}
		return err
	})
}

// give gives the order of the row.
func (s *scene) give() {
	s.t.Helper()
	o := order{Step: s.row.step, Deed: s.row.deed, Old: s.old, ForOld: s.row.toOld, Scripted: s.row.scripted()}
	writeJSON(s.t, orderFile(s.dir), o)
}

func (s *scene) withdraw() {
	s.t.Helper()
	if err := os.Remove(orderFile(s.dir)); err != nil && !errors.Is(err, os.ErrNotExist) {
		s.t.Fatal(err)
	}
}

// restart asks for a restart and returns how it went. It is not OK, without
// words, if who was asked is gone.
func (s *scene) restart() outcome {
	s.t.Helper()
	o, err := decode[outcome](once("tcp", s.config.Web, "/restart"))
	if err != nil && !gone(err) {
		s.t.Fatalf("ask for a restart: %v", err)
	}
	return o
}

func gone(err error) bool {
	return errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE)
}

// ask asks for a restart, and returns the outcome when there is one.
func (s *scene) ask() <-chan outcome {
	outcomes := make(chan outcome, 1)
	go func() {
		o, _ := decode[outcome](once("tcp", s.config.Web, "/restart")) // not OK if nobody answers
		outcomes <- o
	}()
	return outcomes
}

// reached waits until a process is where the order is for, and returns it.
func (s *scene) reached() int {
	s.t.Helper()
	var pid int
	line := s.Wait(1, fmt.Sprintf("at step=%q pid=", s.row.step))
	if _, err := fmt.Sscanf(line, "at step=%q pid=%d", new(string), &pid); err != nil {
		s.t.Fatalf("%s: %v", line, err)
	}
	return pid
}

// open lets a process go on that waits.
func (s *scene) open() {
	s.t.Helper()
	if err := os.WriteFile(gateFile(s.dir), nil, 0); err != nil {
		s.t.Fatal(err)
	}
}

// replace restarts in good order and returns the process that serves then.
func (s *scene) replace() int {
	s.t.Helper()
	if o := s.restart(); !o.OK {
		s.t.Fatalf("a good restart: got %q", o.Text)
	}
	return s.who()
}

// who returns the process that serves new connections.
func (s *scene) who() int {
	s.t.Helper()
	body, err := once("tcp", s.config.Web, "/")
	if err != nil {
		s.t.Fatal(err)
	}
	var pid int
	if _, err := fmt.Sscan(string(body), &pid); err != nil {
		s.t.Fatal(err)
	}
	return pid
}

func (s *scene) status() status {
	s.t.Helper()
	st, err := decode[status](once("tcp", s.config.Web, "/status"))
	if err != nil {
		s.t.Fatal(err)
	}
	return st
}

// successor returns the latest process.
func (s *scene) successor() int {
	pids := s.PIDs()
	return pids[len(pids)-1]
}

// isStopped waits until SIGSTOP has reached all threads of a process.
func (s *scene) isStopped(pid int) {
	s.t.Helper()
	proctest.Poll(s.t, fmt.Sprintf("process %d stops", pid), func() error {
		tasks, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/stat", pid))
		if err != nil || len(tasks) == 0 {
			return fmt.Errorf("no threads: %v", err)
		}
		for _, task := range tasks {
			if state := stateOf(task); state != 'T' {
				return fmt.Errorf("%s: state %c", task, state)
			}
		}
		return nil
	})
}

// stateOf reads the state in a stat file of proc(5).
func stateOf(file string) byte {
	b, err := os.ReadFile(file)
	if err != nil {
		return '?'
	}
	if i := slices.Index(b, ')'); i >= 0 && len(b) > i+2 {
		return b[i+2]
	}
	return '?'
}

// limitFiles leaves a process so many descriptors.
func (s *scene) limitFiles(pid, spare int) (restore func()) {
	s.t.Helper()
	var was unix.Rlimit
	if err := unix.Prlimit(pid, unix.RLIMIT_NOFILE, nil, &was); err != nil {
		s.t.Fatal(err)
	}
	now := was
	now.Cur = limitFor(proctest.FilesOf(pid), spare)
	set := func(l unix.Rlimit) {
		s.t.Helper()
		if err := unix.Prlimit(pid, unix.RLIMIT_NOFILE, &l, nil); err != nil {
			s.t.Fatal(err)
		}
	}
	set(now)
	return func() { s.t.Helper(); set(was) }
}
