//go:build linux

package restart

import (
	"fmt"
	"net"
	"os"
	"strings"
	"testing"

	"example.com/restart/internal/proctest"
)

// addrOf returns where a listener of a generation listens, "" if it has none
// of that name.
func (s *server) addrOf(name string) string {
	s.t.Helper()
	for _, l := range s.status().Listeners {
		if l.Name == name {
			return l.Address
		}
	}
	return ""
}

func answersAt(t *testing.T, network, address string) (answer string) {
	t.Helper()
	c := dialAt(t, network, address)
	defer c.Close()
	return c.ask("who")
}

func refused(t *testing.T, network, address string) {
	t.Helper()
	if c, err := net.Dial(network, address); err == nil {
		c.Close()
		t.Errorf("%s still accepts", address)
	}
}

// The first listener stays through all changes of the others.
func TestListenersChange(t *testing.T) {
	first, second, third := listenerConfig{"web", "tcp", "127.0.0.1:0"}, listenerConfig{"b", "tcp", proctest.FreeAddress(t)}, listenerConfig{"b", "tcp", proctest.FreeAddress(t)}
	s := serve(t, config{})
	stop := s.load()

	s.configure(func(c *config) { c.Listeners = []listenerConfig{first, second} })
	s.replace()
	if got := answersAt(t, "tcp", second.Address); !strings.HasSuffix(got, " b") {
		t.Errorf("added: got %q", got)
	}
	if got := s.addrOf("web"); got != s.addr {
		t.Errorf("port 0: got %s, want %s again", got, s.addr)
	}

	s.configure(func(c *config) { c.Listeners = []listenerConfig{first, third} })
	s.replace()
	answersAt(t, "tcp", third.Address)
	s.Wait(1, "listener dropped", second.Address)
	s.exited(s.PIDs()[1])
	refused(t, "tcp", second.Address)

	s.configure(func(c *config) { c.Listeners[1].Name = "c" })
	s.replace()
	if got := answersAt(t, "tcp", third.Address); !strings.HasSuffix(got, " c") {
		t.Errorf("renamed: got %q", got)
	}
	st := s.status()
	for _, l := range st.Listeners {
		if !l.Inherited {
			t.Errorf("%s was bound anew", l.Name)
		}
	}

	s.configure(func(c *config) { c.Listeners = []listenerConfig{first} })
	old := s.pid()
	s.replace()
	s.exited(old)
	refused(t, "tcp", third.Address)
	stop()
	s.stop()
}

// Clients in the queue of a socket that nobody claims are served by the
// process that still has it.
func TestDroppedListenersQueueIsServed(t *testing.T) {
	second := listenerConfig{"b", "tcp", proctest.FreeAddress(t)}
	s := serve(t, config{Listeners: []listenerConfig{{"web", "tcp", "127.0.0.1:0"}, second}})
	old := s.pid()
	s.configure(func(c *config) { c.Listeners = c.Listeners[:1] })
	ctl := s.dial()
	if _, err := fmt.Fprintln(ctl, "restart"); err != nil {
		t.Fatal(err)
	}
	var clients []*client
	for range 30 { // before, while and after it stops accepting
		c, err := net.Dial("tcp", second.Address)
		if err != nil {
			break // closed by now
		}
		fmt.Fprintln(c, "who")
		defer c.Close()
		clients = append(clients, &client{t: t, Conn: c})
	}
	if got, err := ctl.lines.ReadString('\n'); err != nil || !strings.Contains(got, "nil") {
		t.Errorf("got %s, %v", got, err)
	}
	ctl.Close()
	for i, c := range clients {
		buf := make([]byte, 100)
		n, err := c.Read(buf)
		if err != nil || !strings.HasSuffix(strings.TrimSpace(string(buf[:n])), " b") {
			t.Errorf("client %d of %d: got %q, %v", i, len(clients), buf[:n], err)
		}
		c.Close()
	}
	s.exited(old)
	s.stop()
}

func TestUnixPathStaysUntilTheLast(t *testing.T) {
	dir := t.TempDir()
	path, dropped := dir+"/a.sock", dir+"/b.sock"
	if stale, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"}); err != nil {
		t.Fatal(err)
	} else { // of a process that died
		stale.SetUnlinkOnClose(false)
		stale.Close()
	}
	web := listenerConfig{"web", "tcp", "127.0.0.1:0"}
	s := serve(t, config{Listeners: []listenerConfig{web, {"a", "unix", path}, {"b", "unix", dropped}}})
	for generation := 1; generation <= 3; generation++ {
		if got, want := answersAt(t, "unix", path), fmt.Sprintf("v1 %d ", generation); !strings.HasPrefix(got, want) {
			t.Errorf("got %q, want %q", got, want)
		}
		if generation == 2 {
			s.configure(func(c *config) { c.Listeners = c.Listeners[:2] })
		}
		if generation < 3 {
			old := s.pid()
			s.replace()
			s.exited(old)
		}
	}
	if _, err := os.Lstat(dropped); err == nil {
		t.Error("the path of the dropped socket is still there")
	}
	s.stop()
	if _, err := os.Lstat(path); err == nil {
		t.Error("the path is still there after the last")
	}
}

// A release that fails leaves nothing behind, also of what was new in it.
func TestFailedReleaseLeavesNoPath(t *testing.T) {
	path := t.TempDir() + "/new.sock"
	s := serve(t, config{})
	s.configure(func(c *config) {
		c.Listeners = append(c.Listeners, listenerConfig{"new", "unix", path})
		c.PIDFile = "/proc/x.pid"
	})
	if got := s.restart(); !strings.Contains(got, "PID file") {
		t.Errorf("got %s", got)
	}
	if _, err := os.Lstat(path); err == nil {
		t.Error("the path of the failed process's socket is still there")
	}
	s.configure(func(c *config) { c.PIDFile = "" })
	s.replace()
	answersAt(t, "unix", path)
	s.stop()
}

func TestPIDFileFollowsTheServingProcess(t *testing.T) {
	dir := t.TempDir()
	s := serve(t, config{PIDFile: dir + "/x.pid"})
	holds := func(path string, want int) {
		t.Helper()
		b, err := os.ReadFile(path)
		if got := strings.TrimSpace(string(b)); err != nil || got != fmt.Sprint(want) {
			t.Errorf("got %q, %v; want %d", got, err, want)
		}
	}
	old := s.pid()
	holds(dir+"/x.pid", old)
	pid := s.replace()
	holds(dir+"/x.pid", pid)
	s.exited(old)
	holds(dir+"/x.pid", pid)

	// Another path from here on: nobody else removes the old one.
	s.configure(func(c *config) { c.PIDFile = dir + "/y.pid" })
	next := s.replace()
	holds(dir+"/y.pid", next)
	s.exited(pid)
	if _, err := os.Stat(dir + "/x.pid"); err == nil {
		t.Error("the PID file that was given up is still there")
	}
	s.stop()
	if _, err := os.Stat(dir + "/y.pid"); err == nil {
		t.Error("the PID file is still there after the last")
	}
}
