//go:build linux

package restart

import (
	"bufio"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"example.com/restart/internal/channel"
	"example.com/restart/internal/proctest"
	"example.com/restart/internal/spawn"
)

// Either may be killed at any moment: somebody serves as long as one lives.
func TestSIGKILLBetweenMessages(t *testing.T) {
	for i := range 10 {
		t.Run(fmt.Sprint(i), func(t *testing.T) {
			s := serve(t, config{})
			old := s.pid()
			victim := old
			s.Signal(old, syscall.SIGHUP)
			s.Wait(2, "start pid")
			if i%2 == 1 {
				victim = s.PIDs()[1]
			}
			for range i * 200 { // another moment each time
				_, _ = unix.Getpriority(unix.PRIO_PROCESS, 0)
			}
			s.Signal(victim, syscall.SIGKILL)
			s.WaitExit(victim)
			if victim == old {
				s.Wait(1, "serves generation", fmt.Sprintf("pid=%d", s.PIDs()[1]))
				// Another one if it died before it had left anything: a cold start.
				s.addr = field(s.Wait(2, "added"), "addr")
			} else if strings.Contains(s.Wait(1, fmt.Sprintf("after hangup pid=%d", old)), "error=<nil>") {
				s.WaitEnd() // it had taken over, and nobody was to follow it
				return
			}
			if s.pid() == victim {
				t.Error("the dead answer")
			}
			s.stop()
		})
	}
}

// With no successor, clients in the accept queue are served all the same.
func TestSIGTERMServesTheAcceptQueue(t *testing.T) {
	s := serve(t, config{})
	old := s.pid()
	s.Signal(old, syscall.SIGSTOP) // so that they wait in the queue
	var clients []*client
	for range 20 {
		c := s.dial()
		fmt.Fprintln(c, "who")
		clients = append(clients, c)
	}
	s.Signal(old, syscall.SIGTERM)
	s.Signal(old, syscall.SIGCONT)
	for _, c := range clients {
		if answer, err := c.lines.ReadString('\n'); err != nil || !strings.HasPrefix(answer, "v1 1 ") {
			t.Errorf("got %q, %v", answer, err)
		}
		c.Close()
	}
	s.WaitEnd()
	s.exited(old)
}

func TestHammerCutsWhoIgnoresTheContext(t *testing.T) {
	s := serve(t, config{HammerTime: 50 * time.Millisecond})
	old := s.pid()
	c := s.dial()
	c.ask("deaf")
	s.replace()
	if _, err := c.lines.ReadString('\n'); err == nil {
		t.Error("got an answer, want the end")
	} else if errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("got %v, want a clean end", err)
	}
	s.Wait(1, "closed by force", fmt.Sprintf("pid=%d ", old), "cut=")
	s.exited(old)
	s.stop()
}

func TestHammerByHandOnly(t *testing.T) {
	s := serve(t, config{HammerTime: -1})
	old := s.pid()
	s.Signal(old, syscall.SIGUSR2)
	s.Wait(1, "hammer ignored")
	c := s.dial()
	c.ask("deaf")
	pid := s.replace()
	if got := s.status().Draining; len(got) != 1 || got[0].PID != old {
		t.Errorf("got %v draining, want %d", got, old)
	}
	s.Signal(old, syscall.SIGUSR2)
	s.Wait(1, "closed by force", "cut=") // how many: see TestSecondInterruptHammers
	s.exited(old)
	if s.pid() != pid {
		t.Error("another process serves")
	}
	s.stop()
}

// Two signals at once: whatever the order, all end and nobody hangs.
func TestTwoSignalsAtOnce(t *testing.T) {
	for _, sigs := range [][]syscall.Signal{
		{syscall.SIGHUP, syscall.SIGTERM},
		{syscall.SIGTERM, syscall.SIGHUP},
		{syscall.SIGINT, syscall.SIGTERM},
		{syscall.SIGHUP, syscall.SIGHUP},
	} {
		t.Run(fmt.Sprint(sigs), func(t *testing.T) {
			s := serve(t, config{})
			old := s.pid()
			for _, sig := range sigs {
				s.Signal(old, sig)
			}
			s.exited(old)
			// Which of them came first decides whether anybody serves now, and
			// whether that one restarts again.
			for range 5 {
				c, err := net.DialTimeout("tcp", s.addr, patience)
				if err != nil {
					break
				}
				asked := &client{t: t, Conn: c, lines: bufio.NewReader(c)}
				var version string
				var generation, pid int
				answer, err := asked.try("who")
				c.Close()
				if n, _ := fmt.Sscan(answer, &version, &generation, &pid); n != 3 {
					t.Fatalf("got %q, %v", answer, err)
				}
				s.Signal(pid, syscall.SIGTERM)
				s.WaitExit(pid)
			}
			s.WaitEnd()
		})
	}
}

func TestVeto(t *testing.T) {
	s := serve(t, config{Veto: true})
	pid := s.pid()
	for _, sig := range []syscall.Signal{syscall.SIGHUP, syscall.SIGTERM} {
		s.Signal(pid, sig)
		s.Wait(1, fmt.Sprintf("veto %v pid=%d", sig, pid))
	}
	if got, want := s.restart(), "restart: vetoed by a Before hook: vetoed by the test"; got != want {
		t.Errorf("Restart: got %q, want %q", got, want)
	}
	if s.pid() != pid {
		t.Error("another process serves")
	}
	s.configure(func(c *config) { c.Veto = false })
	s.replace()
	s.stop()
}

// The wrong number in the environment, or somebody else's socket.
func TestStrayChannel(t *testing.T) {
	file, err := os.Open(os.DevNull)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	ln, err := net.ListenTCP("tcp", &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	tcp := dup(t, ln)
	defer tcp.Close()
	ours, theirs, err := channel.Pair() // silent, then with a wrong PID
	if err != nil {
		t.Fatal(err)
	}
	defer ours.Close()
	defer theirs.Close()
	if err := ours.Send(1, map[string]int{"pid": 1, "generation": 1}); err != nil {
		t.Fatal(err)
	}
	for name, tt := range map[string]struct {
		value string
		file  *os.File
		want  string
	}{
		"no number":   {"x", nil, "not the number of a descriptor"},
		"negative":    {"-1", nil, "not the number of a descriptor"},
		"output":      {"1", nil, "not the number of a descriptor"},
		"huge":        {"99999999999999999999", nil, "not the number of a descriptor"},
		"not open":    {"1000", nil, "not open"},
		"a file":      {"3", file, "not a socket"},
		"tcp":         {"3", tcp, "not a restart channel"},
		"another PID": {"3", theirs, "the channel belongs to"},
	} {
		if name == "another PID" && !makerIsTold {
			continue
		}
		t.Run(name, func(t *testing.T) {
			proctest.Use("server")
			cfg := filepath.Join(t.TempDir(), "config.json")
			if err := os.WriteFile(cfg, []byte(`{"Listeners":[{"Name":"a","Network":"tcp","Address":"127.0.0.1:0"}]}`), 0o600); err != nil {
				t.Fatal(err)
			}
			cmd := exec.CommandContext(t.Context(), executable(t))
			cmd.Env = append(os.Environ(), proctest.RoleVar+"=server", configVar+"="+cfg, spawn.ChannelVar+"="+tt.value, "GORACE=atexit_sleep_ms=0")
			if tt.file != nil {
				cmd.ExtraFiles = []*os.File{dup(t, tt.file)}
				defer cmd.ExtraFiles[0].Close()
			}
			out, err := cmd.CombinedOutput()
			if err == nil || !strings.Contains(string(out), tt.want) || !strings.Contains(string(out), "restart: ") {
				t.Errorf("got %v, %s; want %q in it", err, out, tt.want)
			}
		})
	}
}
