//go:build !restart_portable

package keeper

import (
	"errors"
	"os"
	"slices"
	"strconv"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

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
