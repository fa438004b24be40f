//go:build linux && !restart_portable

package restart

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"strings"
	"testing"

	"example.com/restart/internal/proctest"
)

func TestSibling(t *testing.T) {
	s := serve(t, config{Sibling: true})
	old := s.pid()
	pid := s.replace()
	if got := parentOf(t, pid); got != os.Getpid() {
		t.Errorf("got parent %d, want %d, not %d", got, os.Getpid(), old)
	}
	s.exited(old)
	s.configure(func(c *config) { c.Bad = true })
	if got := s.restart(); !strings.Contains(got, "no such plugin") {
		t.Errorf("got %s", got)
	}
	s.configure(func(c *config) { c.Bad = false })
	if s.replace() == pid {
		t.Error("the restart after it changed nothing")
	}
	s.stop()
}

func init() { roles["first"] = firstRole }

func parentOf(t *testing.T, pid int) int {
	t.Helper()
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		t.Fatal(err)
	}
	var parent int
	_, rest, _ := strings.Cut(string(b), ") ")
	fmt.Sscanf(rest[2:], "%d", &parent)
	return parent
}

// A script that stays between a server and its successor changes nothing.
func TestWrapperThatStays(t *testing.T) {
	testWrapper(t, `"$@"; status=$?; echo wrapped >&2; exit $status`)
}

// The end of the script is not that of the program.
func TestWrapperThatStartsInTheBackground(t *testing.T) {
	s := serve(t, config{Wrap: `"$@" &`})
	for range 3 {
		s.replace()
	}
	s.stop()
}

// The first process of a container must not be replaced: the kernel would kill
// the successor, and nobody would serve.
func TestPID1IsNotReplaced(t *testing.T) {
	proctest.Use("first")
	args := []string{"--pid", "--fork", executable(t)}
	if os.Geteuid() != 0 {
		args = append([]string{"--map-root-user"}, args...)
	}
	cmd := exec.Command("unshare", args...)
	cmd.Env = append(os.Environ(), proctest.RoleVar+"=first")
	out, err := cmd.CombinedOutput()
	if os.Geteuid() != 0 && strings.Contains(string(out), "unshare failed") {
		t.Skipf("no PID namespace to be had here without root: %s", out)
	}
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	for _, want := range []string{"pid=1 ", "is PID 1 of its container", "state=serving"} {
		if !strings.Contains(string(out), want) {
			t.Errorf("got %s, want %q in it", out, want)
		}
	}
}

// firstRole says what Restart does in this process.
func firstRole() {
	r, err := New(Options{Keeper: KeeperNever, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		die("%v", err)
	}
	if _, err := r.Add("web", "tcp", "127.0.0.1:0", newTestService()); err != nil {
		die("%v", err)
	}
	result := make(chan error, 1)
	go func() { result <- r.Run(context.Background()) }()
	<-r.Serving()
	err = r.Restart(context.Background())
	fmt.Printf("pid=%d error=%v state=%v\n", os.Getpid(), err, r.Status().State)
	r.Shutdown()
	if err := <-result; err != nil {
		die("%v", err)
	}
}
