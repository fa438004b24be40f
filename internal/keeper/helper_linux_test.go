//go:build !restart_portable

package keeper

import (
	"io"
	"log/slog"
	"strconv"
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
