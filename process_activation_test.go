//go:build linux && !restart_portable

package restart

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"example.com/restart/internal/manager"
	"example.com/restart/internal/systemdtest"
)

// given starts a process as systemd does that has sockets for it.
func given(names string, files ...*os.File) func(*exec.Cmd) {
	return func(cmd *exec.Cmd) {
		cmd.Args = append([]string{"sh", "-c", `LISTEN_PID=$$ exec "$0" "$@"`, cmd.Path}, cmd.Args[1:]...)
		cmd.Path = "/bin/sh"
		cmd.Env = append(cmd.Env, fmt.Sprintf("LISTEN_FDS=%d", len(files)), "LISTEN_FDNAMES="+names)
		cmd.ExtraFiles = files
	}
}

// socketUnit is a socket that systemd has opened.
func socketUnit(t *testing.T) (*os.File, string) {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	f, err := ln.(*net.TCPListener).File()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return f, ln.Addr().String()
}

// answers returns who answers at the address: the name of the listener.
func (s *server) answersAt(address string) (listener string) {
	s.t.Helper()
	t := s.t.(*testing.T)
	c := dialAt(t, "tcp", address)
	defer c.Close()
	fields := strings.Fields(c.ask("who"))
	return fields[len(fields)-1]
}

// The order in which systemd passes sockets says nothing: they are claimed by
// name, whatever the address, or by address.
func TestSocketActivation(t *testing.T) {
	web, webAddr := socketUnit(t)
	admin, adminAddr := socketUnit(t)
	unused, _ := socketUnit(t)
	s, systemd := notified(t, config{Listeners: []listenerConfig{{"web", "tcp", ":80"}, {"control", "tcp", adminAddr}}},
		given("admin.socket:unused:web", admin, unused, web))
	if got := s.answersAt(webAddr); got != "web" {
		t.Errorf("got %s at the address of web", got)
	}
	if got := s.answersAt(adminAddr); got != "control" {
		t.Errorf("got %s at the address of admin.socket", got)
	}
	pid := s.PID()
	wantMessage(t, systemd, pid, "READY=1", "STATUS=Serving, generation 1")
	s.Wait(1, "restart: listener dropped", "listener=unused")
	for range 2 {
		if s.replace() == pid {
			t.Fatal("it was not replaced")
		}
		s.exited(pid)
		pid = s.pid()
		if got := s.answersAt(webAddr) + " " + s.answersAt(adminAddr); got != "web control" {
			t.Errorf("got %s after a restart", got)
		}
		environ, err := os.ReadFile(fmt.Sprintf("/proc/%d/environ", pid))
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(string(environ), "LISTEN_") {
			t.Error("the successor has LISTEN_ variables that are not for it")
		}
	}
	s.stop()
	// It still listens for systemd, which would start the service again.
	c := dialAt(t, "tcp", webAddr)
	c.Close()
}

// stored receives what a process stores, by name.
func stored(t *testing.T, systemd *systemdtest.NotifySocket, n int) map[string]*os.File {
	t.Helper()
	store := make(map[string]*os.File)
	for len(store) < n {
		m := systemd.Next()
		if name, ok := strings.CutPrefix(m.Text, "FDSTORE=1\nFDNAME="); ok && len(m.Files) == 1 {
			store[name] = m.Files[0]
		}
	}
	return store
}

// A client in the queue of a process that is killed is answered by the next one.
func TestStoredListenerOutlivesAKill(t *testing.T) {
	s, systemd := notified(t, config{})
	store := stored(t, systemd, 1)
	pid := s.replace() // inherited sockets are kept as well
	s.Signal(pid, syscall.SIGKILL)
	s.WaitEnd()
	waiting := s.dial()
	fmt.Fprintln(waiting, "who")

	name := strings.TrimPrefix(storedWeb, "FDNAME=")
	if store[name] == nil {
		t.Fatalf("got %v, want %s", store, name)
	}
	again, systemd := notified(t, config{}, given(name, store[name]))
	if again.addr != s.addr {
		t.Fatalf("got address %s, want %s", again.addr, s.addr)
	}
	if answer, err := waiting.lines.ReadString('\n'); err != nil || !strings.Contains(answer, fmt.Sprint(again.PID())) {
		t.Errorf("got %q, %v", answer, err)
	}
	waiting.Close()
	wantMessage(t, systemd, again.PID(), "READY=1", "STATUS=Serving, generation 1")
	wantMessage(t, systemd, again.PID(), "FDSTORE=1", storedWeb)
	again.stop()
}

// The file of a Unix socket that has outlived a kill is removed by the process that
// got the socket from the store.
func TestFileOfAStoredListenerIsRemoved(t *testing.T) {
	path := filepath.Join(t.TempDir(), "admin")
	cfg := config{Listeners: []listenerConfig{{"web", "tcp", "127.0.0.1:0"}, {"admin", "unix", path}}}
	s, systemd := notified(t, cfg)
	names, files := listOf(stored(t, systemd, 2))
	s.Signal(s.PID(), syscall.SIGKILL)
	s.WaitEnd()

	again, _ := notified(t, cfg, given(names, files...))
	wantAdmin(t, path)
	again.stop()
	if _, err := os.Lstat(path); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("got %v: the file of the socket is still there", err)
	}
}

// wantAdmin asks the server at a Unix socket which of its listeners that is.
func wantAdmin(t *testing.T, path string) {
	t.Helper()
	c := dialAt(t, "unix", path)
	defer c.Close()
	if got := c.ask("who"); !strings.HasSuffix(got, "admin") {
		t.Errorf("got %q", got)
	}
}

// A stop removes the file of a Unix socket, and systemd keeps the socket across
// "systemctl restart": no client would find it.
func TestStoredListenerWithoutItsFileIsBoundAnew(t *testing.T) {
	path := filepath.Join(t.TempDir(), "admin")
	cfg := config{Listeners: []listenerConfig{{"web", "tcp", "127.0.0.1:0"}, {"admin", "unix", path}}}
	s, systemd := notified(t, cfg)
	store := stored(t, systemd, 2)
	names, files := listOf(store)
	s.stop()

	again, systemd := notified(t, cfg, given(names, files...))
	wantAdmin(t, path)
	systemd.SkipTo("FDSTOREREMOVE=1\nFDNAME=restart|admin|")
	for name := range stored(t, systemd, 2) {
		if strings.Contains(name, "|admin|") && store[name] != nil {
			t.Errorf("%s is stored again, which was taken back", name)
		}
	}
	again.stop()
}

// listOf returns a store as systemd passes it on.
func listOf(store map[string]*os.File) (names string, files []*os.File) {
	for name, f := range store {
		names += ":" + name
		files = append(files, f)
	}
	return names[1:], files
}

// What systemd keeps of a listener that is given up would go on listening.
func TestListenerIsGivenUp(t *testing.T) {
	s, systemd := notified(t, config{Listeners: []listenerConfig{{"web", "tcp", "127.0.0.1:0"}, {"old: name", "unix", "@given-up"}, {"extra", "tcp", "127.0.0.1:0"}}})
	store := stored(t, systemd, 3)
	s.configure(func(c *config) { c.Listeners = []listenerConfig{c.Listeners[0], {"new", "unix", "@given-up"}} })
	pid := s.replace()
	systemd.SkipTo("STATUS=Serving, generation 2")
	const extra, old, renamed = "restart|extra|tcp|127.0.0.1%3A0", "restart|old%3A+name|unix|%40given-up", "restart|new|unix|%40given-up"
	for _, name := range []string{extra, old} {
		if store[name] == nil {
			t.Errorf("got %v, want %s", store, name)
		}
	}
	wantMessage(t, systemd, pid, "FDSTOREREMOVE=1", "FDNAME="+extra)
	var got []string
	for range 3 {
		got = append(got, systemd.Next().Text)
	}
	want := []string{"FDSTORE=1\n" + storedWeb, "FDSTOREREMOVE=1\nFDNAME=" + old, "FDSTORE=1\nFDNAME=" + renamed}
	if !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	s.stop()
}

// A program may give up a listener while it serves.
func TestClosedListenerIsGivenUp(t *testing.T) {
	systemd := systemdtest.Listen(t)
	t.Setenv("NOTIFY_SOCKET", systemd.Path)
	sys := fakeSystem()
	sys.manager = manager.Find()
	x := start(t, Options{}, sys).serving()
	ln, err := x.r.Listen("extra", "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	const extra = "\nFDNAME=restart|extra|tcp|127.0.0.1%3A0"
	systemd.SkipTo("FDSTORE=1" + extra)
	ln.Close()
	systemd.SkipTo("FDSTOREREMOVE=1" + extra)
	x.answers("old")
	x.r.Shutdown()
	x.returned()
}
