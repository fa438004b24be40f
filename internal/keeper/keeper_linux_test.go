//go:build !restart_portable

package keeper

import (
	"errors"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"example.com/restart/internal/spawn"
)

// A fake is a keeper whose kernel is this struct. Processes are numbers from 101.
type fake struct {
	*keeper
	t      *testing.T
	clock  time.Time
	forked int
	fails  error          // of the next start
	alive  map[int]bool   // children
	got    map[int]string // signals of each
	zombie int            // has ended
	status unix.WaitStatus
}

func newFake(t *testing.T, cfg Config) *fake {
	t.Helper()
	f := &fake{t: t, clock: time.Now(), forked: 100, alive: make(map[int]bool), got: make(map[int]string)}
	cfg.Program = func() (spawn.Command, error) { return spawn.Command{Path: "/bin/true"}, nil }
	cfg.Logger = slog.New(slog.NewTextHandler(io.Discard, nil))
	if cfg.CrashLimit == 0 {
		cfg.CrashLimit = DefaultCrashLimit
	}
	s, err := listen()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unix.Close(s.FD) })
	f.keeper = &keeper{state: state{Socket: s}, cfg: cfg, log: cfg.Logger, sys: system{
		now: func() time.Time { return f.clock },
		fork: func(string, []string, *syscall.ProcAttr) (int, error) {
			if f.fails != nil {
				return 0, f.fails
			}
			f.forked++
			f.alive[f.forked] = true
			return f.forked, nil
		},
		kill: func(pid int, sig syscall.Signal) { f.got[pid] += signalName(sig) + " " },
		reap: func(ws *unix.WaitStatus) (int, error) {
			pid := f.zombie
			f.zombie, *ws = 0, f.status
			return pid, nil
		},
		isChild: func(pid int) bool { return f.alive[pid] },
		children: func() (pids []int) {
			for pid := range f.alive {
				pids = append(pids, pid)
			}
			return pids
		},
	}}
	t.Cleanup(func() {
		for _, e := range f.Store {
			unix.Close(e.FD)
		}
	})
	f.start()
	return f
}

// says is a message of a process.
func (f *fake) says(pid int, lines ...string) { f.handle(message{pid: pid, lines: lines}) }

// succeeds starts a successor and makes it the main process.
func (f *fake) succeeds() int {
	f.t.Helper()
	f.forked++
	pid := f.forked
	f.alive[pid] = true
	f.says(f.Main.PID, "RELOADING=1")
	f.says(f.Main.PID, "MAINPID="+strconv.Itoa(pid), "READY=1")
	f.wantMain(pid)
	return pid
}

// exits ends a process, with the status that a shell would print.
func (f *fake) exits(pid, status int) {
	delete(f.alive, pid)
	f.zombie, f.status = pid, unix.WaitStatus(status<<8)
	if status > 128 {
		f.status = unix.WaitStatus(status - 128)
	}
	f.reap()
}

// after lets time pass.
func (f *fake) after(d time.Duration) { f.clock = f.clock.Add(d); f.onTime() }

func (f *fake) wantMain(pid int) {
	f.t.Helper()
	got := 0
	if f.Main != nil {
		got = f.Main.PID
	}
	if got != pid {
		f.t.Fatalf("got main process %d, want %d", got, pid)
	}
}

func (f *fake) wantOver(status int) {
	f.t.Helper()
	if !f.isOver() || f.keeper.Status != status {
		f.t.Errorf("got over=%v with status %d, want the end with %d", f.isOver(), f.keeper.Status, status)
	}
}

// The main process names the next one, there and back.
func TestMainProcessMoves(t *testing.T) {
	f := newFake(t, Config{})
	f.says(101, "READY=1", "STATUS=Serving")
	f.succeeds()
	f.says(102, "MAINPID=101") // it gives back what it has
	f.wantMain(101)
	f.says(102, "MAINPID=102") // not the main process any more
	f.wantMain(101)
	f.says(101, "MAINPID=102", "READY=1")
	f.wantMain(102)
	f.exits(101, 1)
	f.wantMain(102)
	if f.findEarlier(101) != nil || f.forked != 102 {
		t.Error("the end of an earlier process is no crash")
	}
}

// Only the main process is listened to, and it can only name a living process of
// ours.
func TestStrangers(t *testing.T) {
	f := newFake(t, Config{})
	for _, pid := range []int{0, 1, os.Getppid(), 999999999} {
		f.says(pid, "MAINPID="+strconv.Itoa(pid), "STOPPING=1", "READY=1")
		f.says(101, "MAINPID="+strconv.Itoa(pid))
	}
	f.says(101, "MAINPID="+strconv.Itoa(os.Getpid()))
	f.says(101, "MAINPID=x")
	f.wantMain(101)
	if f.Main.Stopping || f.Main.Ready {
		t.Error("a stranger was listened to")
	}
}

// What the main process has sent is read before a signal is forwarded, and before
// its death is judged.
func TestWordsBeforeEvents(t *testing.T) {
	for name, event := range map[string]func(*fake){
		"signal": func(f *fake) { f.onSignal(syscall.SIGHUP) },
		"death":  func(f *fake) { f.exits(os.Getpid(), 1) },
	} {
		t.Run(name, func(t *testing.T) {
			f := newFake(t, Config{})
			f.Main.PID = os.Getpid() // which the kernel names as the sender
			f.alive[102] = true
			fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
			if err != nil {
				t.Fatal(err)
			}
			defer unix.Close(fd)
			if err := unix.Sendto(fd, []byte("MAINPID=102\nREADY=1"), 0, &unix.SockaddrUnix{Name: f.Socket.Name}); err != nil {
				t.Fatal(err)
			}
			event(f)
			f.wantMain(102)
			if name == "signal" && f.got[102] != "SIGHUP " {
				t.Errorf("got signals %v, want SIGHUP for 102", f.got)
			}
		})
	}
}

func TestCrashes(t *testing.T) {
	f := newFake(t, Config{CrashLimit: 5})
	var delays []time.Duration
	for range 4 {
		f.exits(f.Main.PID, 1)
		delays = append(delays, f.StartAt.Sub(f.clock))
		f.after(f.StartAt.Sub(f.clock))
	}
	want := []time.Duration{0, minDelay, 2 * minDelay, 4 * minDelay}
	if !slices.Equal(delays, want) {
		t.Errorf("got delays %v, want %v", delays, want)
	}
	f.after(steady)
	f.exits(f.Main.PID, 1) // it has run for long
	if f.Crashes != 1 || f.StartAt != f.clock {
		t.Errorf("got %d crashes, want 1", f.Crashes)
	}
	f.after(0)
	f.fails = errors.New("the program is gone")
	f.exits(f.Main.PID, 1)
	for range 3 {
		f.after(maxDelay)
	}
	f.wantOver(StatusNotExecutable)
	if got := delay(100); got != maxDelay {
		t.Errorf("got %v after 100 crashes, want %v", got, maxDelay)
	}
}

// The end of the program is no crash if it, or somebody, wanted it.
func TestEnd(t *testing.T) {
	for name, tt := range map[string]struct {
		do     func(*fake)
		status int
	}{
		"success":      {func(*fake) {}, 0},
		"by a person":  {func(*fake) {}, 128 + 2},
		"STOPPING":     {func(f *fake) { f.says(101, "STOPPING=1") }, 3},
		"SIGTERM":      {func(f *fake) { f.onSignal(syscall.SIGTERM) }, 128 + 9},
		"SIGINT twice": {func(f *fake) { f.onSignal(syscall.SIGINT); f.onSignal(syscall.SIGINT) }, 5},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFake(t, Config{})
			tt.do(f)
			f.exits(101, tt.status)
			f.wantOver(tt.status)
		})
	}
}

// The keeper waits for every generation, and ends with the status of the last.
func TestEarlierProcessesAreWaitedFor(t *testing.T) {
	f := newFake(t, Config{})
	f.succeeds()
	f.onSignal(syscall.SIGTERM)
	f.onSignal(syscall.SIGUSR2)
	if f.got[101] != "SIGTERM " || f.got[102] != "SIGTERM SIGUSR2 " {
		t.Errorf("got signals %v", f.got)
	}
	f.exits(102, 7)
	if f.isOver() {
		t.Error("it does not wait for process 101")
	}
	f.exits(101, 0)
	f.wantOver(7)
}

// SIGTERM means the service, also if it comes to a process that is just being
// replaced.
func TestStopDuringARestart(t *testing.T) {
	f := newFake(t, Config{})
	f.says(101, "RELOADING=1")
	f.onSignal(syscall.SIGTERM)
	f.alive[102] = true
	f.says(101, "MAINPID=102", "READY=1")
	if f.got[102] != "SIGTERM " {
		t.Errorf("got signals %v, want SIGTERM for 102", f.got)
	}
	// But not if the program has refused to stop.
	f = newFake(t, Config{})
	f.onSignal(syscall.SIGTERM)
	f.after(refusedTime + 1)
	if pid := f.succeeds(); f.got[pid] != "" {
		t.Errorf("got signals %v, want none for %d", f.got, pid)
	}
}

// A successor that dies before it serves leaves the service to its predecessor.
func TestServiceIsTakenBack(t *testing.T) {
	f := newFake(t, Config{})
	f.succeeds()
	f.exits(102, 1)
	f.wantMain(0)
	f.says(101, "MAINPID=101", "READY=1")
	f.wantMain(101)
	f.after(time.Hour)
	f.wantMain(101)

	// After the program was started again, two would serve.
	f = newFake(t, Config{})
	f.succeeds()
	f.exits(102, 1)
	f.after(claimTime)
	f.wantMain(103)
	f.says(101, "MAINPID=101", "READY=1")
	f.wantMain(103)
	if f.got[101] != "SIGTERM " {
		t.Errorf("got signals %v, want SIGTERM for 101", f.got)
	}
}

func TestSignalsBetweenTwoStarts(t *testing.T) {
	f := newFake(t, Config{})
	f.exits(101, 1)
	f.after(0)
	f.exits(102, 1)
	f.onSignal(syscall.SIGUSR1)
	f.onSignal(syscall.SIGHUP) // start it at once
	f.after(0)
	f.wantMain(103)
	f.exits(103, 4)
	f.onSignal(syscall.SIGTERM)
	f.wantOver(4)
}

func TestKillAfter(t *testing.T) {
	f := newFake(t, Config{KillAfter: time.Minute})
	f.onSignal(syscall.SIGTERM)
	f.after(time.Minute - 1)
	if f.got[101] != "SIGTERM " {
		t.Errorf("got signals %v", f.got)
	}
	f.after(1)
	if f.got[101] != "SIGTERM SIGKILL " {
		t.Errorf("got signals %v", f.got)
	}
	f.exits(101, 137)
	f.wantOver(137)
}

func TestWatchdog(t *testing.T) {
	f := newFake(t, Config{Watchdog: time.Second})
	f.after(time.Hour)
	f.says(101, "READY=1")
	for range 5 {
		f.after(time.Second - 1)
		f.says(101, "WATCHDOG=1")
	}
	if f.got[101] != "" {
		t.Errorf("got signals %v", f.got)
	}
	f.after(time.Second)
	if f.got[101] != "SIGABRT " {
		t.Errorf("got signals %v", f.got)
	}
}

func TestLeftProcessesAreEnded(t *testing.T) {
	f := newFake(t, Config{})
	f.alive[200] = true
	f.exits(101, 0)
	for _, want := range []string{"SIGTERM ", "SIGTERM SIGKILL "} {
		for range 2 { // it waits, and signals once
			if f.isOver() || f.got[200] != want {
				t.Errorf("got signals %q, want %q", f.got[200], want)
			}
		}
		f.after(leftTime)
	}
	delete(f.alive, 200)
	f.wantOver(0)
}

// A descriptor is kept once, under its name, and closed when it is given up.
func TestStore(t *testing.T) {
	f := newFake(t, Config{})
	next := 500 // a number that no other file gets
	dup := func(fd int) int {
		dup, err := unix.FcntlInt(uintptr(fd), unix.F_DUPFD_CLOEXEC, next)
		if err != nil {
			t.Fatal(err)
		}
		next = dup + 1
		return dup
	}
	open := func() int {
		fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
		if err != nil {
			t.Fatal(err)
		}
		defer unix.Close(fd)
		return dup(fd)
	}
	isOpen := func(fd int) bool { var st unix.Stat_t; return unix.Fstat(fd, &st) == nil }
	store := func(pid, fd int, name string) {
		f.handle(message{pid: pid, lines: []string{"FDSTORE=1", "FDNAME=" + name}, fds: []int{fd}})
	}
	web := open()
	again := dup(web)
	store(101, web, "web")
	store(101, again, "web")
	store(101, open(), "a:b")
	stranger := open()
	store(999999999, stranger, "web")
	if got := f.Store.names(); !slices.Equal(got, []string{"web", "stored"}) {
		t.Errorf("got %q", got)
	}
	if isOpen(again) || isOpen(stranger) {
		t.Error("what is not kept stays open")
	}
	if got := f.Store.environ(); !slices.Equal(got, []string{"LISTEN_FDS=2", "LISTEN_FDNAMES=web:stored"}) {
		t.Errorf("got %q", got)
	}
	barrier := open()
	f.handle(message{pid: 101, lines: []string{"BARRIER=1"}, fds: []int{barrier}})
	f.says(101, "FDSTOREREMOVE=1", "FDNAME=web")
	if got := f.Store.names(); !slices.Equal(got, []string{"stored"}) || isOpen(web) || isOpen(barrier) {
		t.Errorf("got %q", got)
	}
}

// What one keeper knows the next one knows.
func TestState(t *testing.T) {
	f := newFake(t, Config{})
	f.says(101, "READY=1")
	f.succeeds()
	f.onSignal(syscall.SIGTERM)
	f.says(102, "STOPPING=1")
	memory, err := f.save()
	if err != nil {
		t.Fatal(err)
	}
	t.Setenv(stateVar, strconv.Itoa(memory))
	k := &keeper{cfg: f.cfg, log: f.log, sys: f.sys}
	if ok, err := k.restore(); !ok || err != nil {
		t.Fatalf("got %v, %v", ok, err)
	}
	if got := k.state; got.Socket != f.Socket || got.Main.PID != 102 || !got.Main.Ready ||
		!got.Main.Stopping || len(got.Earlier) != 1 || got.Stop != syscall.SIGTERM || !got.Begun {
		t.Errorf("got %+v, want %+v", got, f.state)
	}
	if _, ok := os.LookupEnv(stateVar); ok {
		t.Error("the program would take the state for its own")
	}
	for _, bad := range []string{"x", "-1", "987654"} {
		t.Setenv(stateVar, bad)
		if _, err := readState(); err == nil || !strings.Contains(err.Error(), "read state of the keeper") {
			t.Errorf("%s: got %v", bad, err)
		}
	}
}

// The next keeper is woken by the end of an earlier process that is not its child.
func TestEndAfterAReplacementIsSeen(t *testing.T) {
	cmd := exec.Command("cat")
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer cmd.Wait()
	defer stdin.Close()
	pidfd, err := unix.PidfdOpen(cmd.Process.Pid, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(pidfd)
	f := newFake(t, Config{})
	f.Earlier = []*process{{PID: cmd.Process.Pid, PIDFD: pidfd}}
	memory, err := f.save()
	if err != nil {
		t.Fatal(err)
	}
	t.Setenv(stateVar, strconv.Itoa(memory))
	k := &keeper{cfg: f.cfg, log: f.log, sys: f.sys, wake: make(chan struct{})}
	if _, err := k.restore(); err != nil {
		t.Fatal(err)
	}
	stdin.Close()
	select {
	case <-k.wake:
	case <-time.After(20 * time.Second):
		t.Fatal("nothing has woken the keeper")
	}
}
