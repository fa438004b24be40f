//go:build linux

package restart

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// A program that was started as root, has bound a privileged port and gives up
// root keeps the port for all that follow it. It cannot bind another one.
func TestPrivilegesAreDropped(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root can bind a privileged port and become another user")
	}
	if everybodysPorts(t) < 1024 {
		t.Skip("everybody may bind every port here (net.ipv4.ip_unprivileged_port_start)")
	}
	const nobody = 65534
	addresses := privileged(t, 2)
	s := serve(t, config{
		User: nobody, Listeners: []listenerConfig{{"web", "tcp", addresses[0]}},
	}, func(cmd *exec.Cmd) { // who is not root must find the program and the configuration
		dir := filepath.Dir(cmd.Path)
		for _, d := range []string{dir, filepath.Dir(dir)} {
			if err := os.Chmod(d, 0o777); err != nil {
				t.Fatal(err)
			}
		}
	})
	s.configure(func(c *config) { c.PIDFile = s.file("pid") })
	s.install("v2")
	old := s.pid()
	for range 2 {
		pid := s.replace()
		if pid == old {
			t.Fatal("the old process serves")
		}
		if got := userOf(t, pid); got != nobody {
			t.Errorf("got a process of user %d, want %d", got, nobody)
		}
		s.exited(old)
		old = pid
	}
	_, port, _ := net.SplitHostPort(addresses[1])
	s.configure(func(c *config) { c.Listeners = append(c.Listeners, listenerConfig{"new", "tcp", addresses[1]}) })
	got := s.restart()
	for _, want := range []string{`listener "new"`, "permission denied", "port " + port, "user 65534", "CAP_NET_BIND_SERVICE", "start it anew as root"} {
		if !strings.Contains(got, want) {
			t.Errorf("got %s\nwant %q in it", got, want)
		}
	}
	if s.pid() != old {
		t.Error("another process serves")
	}
	s.stop()
}

// privileged returns addresses with ports below 1024 that are free. The host is
// this process's own.
func privileged(t *testing.T, n int) (addresses []string) {
	t.Helper()
	host := net.IPv4(127, byte(1+os.Getpid()>>16), byte(os.Getpid()>>8), byte(os.Getpid())).String()
	for port := 1023; port > 512 && len(addresses) < n; port-- {
		address := net.JoinHostPort(host, fmt.Sprint(port))
		ln, err := net.Listen("tcp", address)
		if err != nil {
			continue
		}
		ln.Close()
		addresses = append(addresses, address)
	}
	if len(addresses) < n {
		t.Fatal("no privileged port is free")
	}
	return addresses
}

func userOf(t *testing.T, pid int) int {
	t.Helper()
	fi, err := os.Stat(fmt.Sprintf("/proc/%d", pid))
	if err != nil {
		t.Fatal(err)
	}
	return int(fi.Sys().(*syscall.Stat_t).Uid)
}

// Who may connect to a Unix socket is up to whoever sets the mode of its file. A
// restart leaves the file alone.
func TestModeOfAUnixSocketStays(t *testing.T) {
	path := filepath.Join(t.TempDir(), "socket")
	s := serve(t, config{Listeners: []listenerConfig{{"web", "tcp", "127.0.0.1:0"}, {"local", "unix", path}}})
	if err := os.Chmod(path, 0o620); err != nil {
		t.Fatal(err)
	}
	before, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		s.replace()
	}
	after, err := os.Stat(path)
	if err != nil || !os.SameFile(before, after) || after.Mode() != os.ModeSocket|0o620 {
		t.Errorf("got %v, %v; want the same file with mode 0620", after, err)
	}
	s.stop()
}
