//go:build linux

package proctest

import (
	"bytes"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"
)

// RestartsBehindProxies is how often tests restart a server behind proxies and
// under clients of others. The variable RESTARTS_BEHIND_PROXIES says it; without
// that, the tests are short.
func RestartsBehindProxies(t testing.TB) int {
	t.Helper()
	s := os.Getenv("RESTARTS_BEHIND_PROXIES")
	if s == "" {
		return 3
	}
	n, err := strconv.Atoi(s)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// Program returns the path of a program, and skips the test if there is none.
func Program(t testing.TB, name, debianPackage string) string {
	t.Helper()
	for _, file := range []string{name, "/usr/sbin/" + name} {
		if path, err := exec.LookPath(file); err == nil {
			return path
		}
	}
	t.Skipf("%s is not installed (Debian package %s)", name, debianPackage)
	return ""
}

// StartProxy starts a proxy that stays in the foreground and listens on the Unix
// socket named socket in its working directory, and waits until it does. config
// is the content of its configuration file "conf". It returns the socket's path.
func StartProxy(t testing.TB, config, program string, args ...string) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "proxy") // t.TempDir may be too long for a socket
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	if err := os.WriteFile(filepath.Join(dir, "conf"), []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	var log bytes.Buffer
	cmd := exec.Command(program, args...)
	cmd.Dir, cmd.Stdout, cmd.Stderr = dir, &log, &log
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	exited := make(chan struct{})
	go func() { cmd.Wait(); close(exited) }() // its status says that it was stopped
	t.Cleanup(func() {
		cmd.Process.Signal(syscall.SIGTERM)
		<-exited
		if t.Failed() {
			t.Logf("%s: %v\n%s", program, cmd.ProcessState, log.String())
		}
	})
	socket := filepath.Join(dir, "socket")
	Poll(t, program+" listens", func() error {
		c, err := net.Dial("unix", socket)
		if err == nil {
			return c.Close()
		}
		select {
		case <-exited:
			t.Fatalf("%s has ended", program)
		default:
		}
		return err
	})
	return socket
}

// haproxyConf tries nothing twice. A slow machine must not make haproxy take a
// server for dead.
const haproxyConf = `
global
	stats socket unix@stats mode 600
defaults
	mode http
	retries 0
	no option redispatch
	timeout connect 60s
	timeout check 60s
	timeout client 60s
	timeout server 60s
frontend in
	bind unix@socket %s
	default_backend servers
backend servers
%s
`

// StartHAProxy starts a haproxy that tries nothing twice, with these parameters for
// its bind and for its server, an address first. It returns the path of the socket on which
// it listens.
func StartHAProxy(t testing.TB, program, bind, server string) string {
	t.Helper()
	return StartHAProxyBackend(t, program, bind, "http-reuse always\nserver a "+server)
}

// StartHAProxyBackend is StartHAProxy with the lines of the backend "servers". The
// socket for statistics is "stats" beside the one on which it listens.
func StartHAProxyBackend(t testing.TB, program, bind, backend string) string {
	t.Helper()
	return StartProxy(t, fmt.Sprintf(haproxyConf, bind, backend), program, "-db", "-f", "conf")
}
