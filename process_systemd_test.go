//go:build linux && !restart_portable

package restart

import (
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"example.com/restart/internal/manager"
	"example.com/restart/internal/systemdtest"
	"example.com/restart/internal/wire"
)

// notified starts a server that has systemd at the other end of its notify
// socket.
func notified(t *testing.T, cfg config, changes ...func(*exec.Cmd)) (*server, *systemdtest.NotifySocket) {
	t.Helper()
	systemd := systemdtest.Listen(t)
	t.Setenv("NOTIFY_SOCKET", systemd.Path)
	return serve(t, cfg, changes...), systemd
}

const storedWeb = "FDNAME=restart|web|tcp|127.0.0.1%3A0"

var monotonic = regexp.MustCompile(`MONOTONIC_USEC=\d{6,}`)

// wantMessage receives a datagram of these lines from the process, with a
// descriptor if it is to be stored.
func wantMessage(t *testing.T, systemd *systemdtest.NotifySocket, pid int, lines ...string) {
	t.Helper()
	m := systemd.Next()
	got, want := monotonic.ReplaceAllString(m.Text, "MONOTONIC_USEC"), strings.Join(lines, "\n")
	files := 0
	if lines[0] == "FDSTORE=1" {
		files = 1
	}
	if got != want || m.PID != pid || len(m.Files) != files {
		t.Fatalf("got %q from %d, want %q from %d", got, m.PID, want, pid)
	}
}

func wantSilence(t *testing.T, systemd *systemdtest.NotifySocket) {
	t.Helper()
	for _, m := range systemd.Rest() {
		t.Errorf("got %q from %d, want nothing", m.Text, m.PID)
	}
}

// All that systemd hears of two restarts and a stop, and from whom.
func TestSystemdHearsOfARestart(t *testing.T) {
	s, systemd := notified(t, config{})
	pid := s.PID()
	wantMessage(t, systemd, pid, "READY=1", "STATUS=Serving, generation 1")
	wantMessage(t, systemd, pid, "FDSTORE=1", storedWeb)
	for generation := 2; generation <= 3; generation++ {
		next := s.replace()
		wantMessage(t, systemd, pid, "RELOADING=1", "MONOTONIC_USEC",
			fmt.Sprintf("STATUS=Restarting: generation %d starts, generation %d serves", generation, generation-1))
		wantMessage(t, systemd, pid, fmt.Sprintf("MAINPID=%d", next), "READY=1",
			fmt.Sprintf("STATUS=Generation %d takes over", generation))
		wantMessage(t, systemd, next, fmt.Sprintf("STATUS=Serving, generation %d", generation))
		wantMessage(t, systemd, next, "FDSTORE=1", storedWeb)
		if got := parentOf(t, next); got != os.Getpid() {
			t.Errorf("got parent %d, want %d, which has started the first", got, os.Getpid())
		}
		s.exited(pid)
		pid = next
	}
	s.stop()
	wantMessage(t, systemd, pid, "STOPPING=1", "STATUS=Stopping: generation 3 finishes what it has begun")
	wantSilence(t, systemd)
}

// systemd hears of a stop at its beginning, while the process still serves, and
// of nothing more.
func TestSystemdHearsOfALameDuck(t *testing.T) {
	s, systemd := notified(t, config{LameDuck: time.Hour})
	pid := s.PID()
	wantMessage(t, systemd, pid, "READY=1", "STATUS=Serving, generation 1")
	wantMessage(t, systemd, pid, "FDSTORE=1", storedWeb)
	s.Signal(pid, syscall.SIGTERM)
	wantMessage(t, systemd, pid, "STOPPING=1", "STATUS=Stopping: generation 1 finishes what it has begun")
	if _, _, got := s.who(); got != pid {
		t.Errorf("process %d answers, want %d", got, pid)
	}
	s.Signal(pid, syscall.SIGINT)
	s.WaitEnd()
	wantSilence(t, systemd)
}

// A reload that has begun must end, or systemd waits for it.
func TestSystemdHearsOfAFailedRestart(t *testing.T) {
	s, systemd := notified(t, config{})
	pid := s.PID()
	wantMessage(t, systemd, pid, "READY=1", "STATUS=Serving, generation 1")
	wantMessage(t, systemd, pid, "FDSTORE=1", storedWeb)
	s.configure(func(c *config) { c.Bad = true })
	text := strings.TrimPrefix(s.restart(), "restart: ")
	if !strings.Contains(text, "no such plugin") {
		t.Errorf("got %s", text)
	}
	wantMessage(t, systemd, pid, "RELOADING=1", "MONOTONIC_USEC", "STATUS=Restarting: generation 2 starts, generation 1 serves")
	wantMessage(t, systemd, pid, "READY=1", "STATUS=Serving, generation 1; the last restart failed: "+text)

	s.stop()
	wantMessage(t, systemd, pid, "STOPPING=1", "STATUS=Stopping: generation 1 finishes what it has begun")
	wantSilence(t, systemd)
}

// With Type=notify-reload systemd asks for a restart and waits for its beginning,
// also where a hook refuses it.
func TestSystemdHearsOfAVeto(t *testing.T) {
	s, systemd := notified(t, config{Veto: true})
	pid := s.PID()
	wantMessage(t, systemd, pid, "READY=1", "STATUS=Serving, generation 1")
	wantMessage(t, systemd, pid, "FDSTORE=1", storedWeb)
	s.Signal(pid, syscall.SIGHUP)
	wantMessage(t, systemd, pid, "RELOADING=1", "MONOTONIC_USEC", "STATUS=Restarting: generation 2 starts, generation 1 serves")
	wantMessage(t, systemd, pid, "READY=1", "STATUS=Serving, generation 1; the last restart failed: vetoed by a Before hook: vetoed by the test")
	s.configure(func(c *config) { c.Veto = false })
	s.stop()
	wantMessage(t, systemd, pid, "STOPPING=1", "STATUS=Stopping: generation 1 finishes what it has begun")
}

// systemd starts the program again, so an orphan would be one too many.
func TestOrphanUnderSystemdExits(t *testing.T) {
	s, systemd := notified(t, config{Suicide: true})
	wantMessage(t, systemd, s.PID(), "READY=1", "STATUS=Serving, generation 1")
	wantMessage(t, systemd, s.PID(), "FDSTORE=1", storedWeb)
	s.Signal(s.PID(), syscall.SIGHUP)
	wantMessage(t, systemd, s.PID(), "RELOADING=1", "MONOTONIC_USEC", "STATUS=Restarting: generation 2 starts, generation 1 serves")
	s.WaitEnd()
	if got := s.Count("restart: serving", "generation=2 "); got != 0 {
		t.Error("the orphan has served")
	}
	wantSilence(t, systemd)
}

// Signs of life come from the process that serves, and without a word of the
// program.
func TestWatchdogOverARestart(t *testing.T) {
	t.Setenv("WATCHDOG_USEC", "20000")
	s, systemd := notified(t, config{})
	pid := s.PID()
	wantMessage(t, systemd, pid, "READY=1", "STATUS=Serving, generation 1", "WATCHDOG=1")
	wantMessage(t, systemd, pid, "FDSTORE=1", storedWeb)
	for range 3 {
		wantMessage(t, systemd, pid, "WATCHDOG=1")
	}
	next := s.replace()
	systemd.SkipTo("MAINPID=")
	wantMessage(t, systemd, next, "STATUS=Serving, generation 2", "WATCHDOG=1")
	wantMessage(t, systemd, next, "FDSTORE=1", storedWeb)
	for range 3 {
		wantMessage(t, systemd, next, "WATCHDOG=1")
	}
	s.exited(pid)
	s.configure(func(c *config) { c.Bad = true })
	s.restart()
	systemd.SkipTo("READY=1\nSTATUS=Serving, generation 2; the last restart failed")
	wantMessage(t, systemd, next, "WATCHDOG=1")
	s.stop()
}

// After the move only the successor can give back what it has.
func TestMainProcessIsGivenBack(t *testing.T) {
	self := fmt.Sprintf("MAINPID=%d", os.Getpid())
	t.Run("by the successor", func(t *testing.T) {
		systemd := systemdtest.Listen(t)
		t.Setenv("NOTIFY_SOCKET", systemd.Path)
		o := newOldProcess(t)
		o.sendManifest()
		sys := o.system()
		sys.manager = manager.Find()
		x := &run{t: t, log: newLogs(t), service: newTestService(), result: make(chan error, 1)}
		var err error
		if x.r, err = newRestarter(Options{Logger: slogTo(x.log)}, sys); err != nil {
			t.Fatal(err)
		}
		if _, err := x.r.Add("web", "tcp", o.address(), x.service); err != nil {
			t.Fatal(err)
		}
		x.run()
		inScript(func() {
			o.commit()
			o.send(wire.TypeAbort, wire.Abort{Reason: "too late"})
		})
		if err := x.returned(); err == nil || !strings.Contains(err.Error(), "too late") {
			t.Errorf("Run: got %v, want the predecessor's reason", err)
		}
		wantMessage(t, systemd, os.Getpid(), self)
		wantSilence(t, systemd)
	})
	t.Run("and said by the predecessor", func(t *testing.T) {
		systemd := systemdtest.Listen(t)
		t.Setenv("NOTIFY_SOCKET", systemd.Path)
		sys := spawning(t, func(p *peer) {
			toGo(p)
			p.send(wire.TypeFailed, wire.Note{Text: "no luck"})
			p.want(wire.TypeAbort, nil)
		})
		sys.manager = manager.Find()
		x := start(t, Options{Logger: slog.New(slog.NewTextHandler(io.Discard, nil))}, sys).serving()
		err := x.r.Restart(t.Context())
		if err == nil {
			t.Fatal("the restart went well")
		}
		wantMessage(t, systemd, os.Getpid(), "READY=1", "STATUS=Serving, generation 1")
		wantMessage(t, systemd, os.Getpid(), "FDSTORE=1", storedWeb)
		wantMessage(t, systemd, os.Getpid(), "RELOADING=1", "MONOTONIC_USEC", "STATUS=Restarting: generation 2 starts, generation 1 serves")
		wantMessage(t, systemd, os.Getpid(), self, "READY=1", "STATUS=Generation 2 takes over")
		wantMessage(t, systemd, os.Getpid(), self, "READY=1",
			"STATUS=Serving, generation 1; the last restart failed: "+strings.TrimPrefix(err.Error(), "restart: "))
		x.r.Shutdown()
		x.returned()
		wantMessage(t, systemd, os.Getpid(), "STOPPING=1", "STATUS=Stopping: generation 1 finishes what it has begun")
		wantSilence(t, systemd)
	})
}

// In such a unit a restart would end the service.
func TestUnitThatCannotWork(t *testing.T) {
	sys := fakeSystem()
	sys.manager = manager.Unnotified{}
	x := start(t, Options{}, sys).serving()
	events := make(chan Event, 10)
	x.r.OnEvent(func(e Event) {
		if e.Kind != EventServing { // may come after the state that serving waits for
			events <- e
		}
	})
	err := x.r.Restart(t.Context())
	if err == nil || !strings.Contains(err.Error(), `"Type=notify"`) {
		t.Errorf("got %v, want the line to add to the unit", err)
	}
	if e := <-events; e.Kind != EventFailed || e.Err != err {
		t.Errorf("got %+v, want that it was refused", e)
	}
	x.answers("old")
	x.r.Shutdown()
	x.returned()
}
