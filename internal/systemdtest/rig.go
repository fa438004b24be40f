//go:build linux

package systemdtest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// A Rig is a real systemd, PID 1 of namespaces of its own. Nothing that happens
// there changes the machine.
type Rig struct {
	t      testing.TB
	init   int // its PID here
	helper *exec.Cmd
	cgroup string
	log    bytes.Buffer
}

// Unavailable returns why this machine cannot boot a rig, nil if it can.
func Unavailable() error {
	if os.Geteuid() != 0 {
		return errors.New("a private systemd needs root")
	}
	for _, tool := range []string{"/lib/systemd/systemd", "systemctl", "bash", "unshare", "nsenter", "setpriv", "pivot_root", "ss"} {
		if _, err := exec.LookPath(tool); err != nil {
			return err
		}
	}
	if out, err := exec.Command("unshare", "--mount", "--pid", "--fork", "--uts", "--ipc", "--net", "--cgroup", "true").CombinedOutput(); err != nil {
		return fmt.Errorf("make namespaces: %w: %s", err, out)
	}
	if cgroupRoot() == "" {
		return errors.New("no cgroup2 file system is mounted")
	}
	probe := cgroupRoot() + "/restart-rig-probe"
	if err := os.Mkdir(probe, 0o755); err != nil {
		return err
	}
	return os.Remove(probe)
}

// cgroupRoot returns where cgroup2 is mounted, beside cgroup v1 or alone.
func cgroupRoot() string {
	for _, dir := range []string{"/sys/fs/cgroup/unified", "/sys/fs/cgroup"} {
		if _, err := os.Stat(dir + "/cgroup.procs"); err == nil {
			return dir
		}
	}
	return ""
}

// Boot boots a rig that lives until the test ends. script is the path of
// rig/init.
func Boot(t testing.TB, script string) *Rig {
	t.Helper()
	script, err := filepath.Abs(script)
	if err != nil {
		t.Fatal(err)
	}
	r := &Rig{t: t, cgroup: fmt.Sprintf("%s/restart-rig-%d", cgroupRoot(), os.Getpid())}
	if err := os.Mkdir(r.cgroup, 0o755); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.Remove(r.cgroup) })
	// The process enters the cgroup first, so that the cgroup namespace has its
	// root there.
	r.helper = exec.Command("bash", "-c", `echo $$ >"$0/cgroup.procs" && exec unshare --mount --propagation private --pid --fork `+
		`--kill-child=SIGKILL --uts --ipc --net --cgroup bash "$1" "$2"`, r.cgroup, script, t.TempDir())
	r.helper.Stdout, r.helper.Stderr = &r.log, &r.log
	r.helper.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := r.helper.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(r.end)
	if !r.await(func() bool { r.init = child(r.helper.Process.Pid); return r.init != 0 }) ||
		!r.await(func() bool {
			out, _ := r.Try("systemctl", "is-system-running")
			return out == "running" || out == "degraded"
		}) {
		t.Fatalf("systemd does not boot: %s", r.log.String())
	}
	return r
}

// end kills the namespaces' first process, and with it all others.
func (r *Rig) end() {
	_ = r.helper.Process.Kill() // and by --kill-child the rest
	_ = r.helper.Wait()
	r.await(func() bool {
		removeEmpty(r.cgroup)
		_, err := os.Stat(r.cgroup)
		return err != nil
	})
}

// removeEmpty removes a cgroup and those below it.
func removeEmpty(dir string) {
	entries, _ := os.ReadDir(dir)
	for _, e := range entries {
		if e.IsDir() {
			removeEmpty(filepath.Join(dir, e.Name()))
		}
	}
	os.Remove(dir)
}

func child(pid int) int {
	b, _ := os.ReadFile(fmt.Sprintf("/proc/%d/task/%d/children", pid, pid))
	n, _ := strconv.Atoi(strings.TrimSpace(string(b)))
	return n
}

// await polls: systemd offers nothing to wait on from outside.
func (r *Rig) await(done func() bool) bool {
	for bound := time.Now().Add(patience); time.Now().Before(bound); time.Sleep(50 * time.Millisecond) {
		if done() {
			return true
		}
	}
	return false
}

// Await waits until a command prints want.
func (r *Rig) Await(want string, command ...string) {
	r.t.Helper()
	var got string
	if !r.await(func() bool { got, _ = r.Try(command...); return got == want }) {
		r.t.Fatalf("%q: got %q, want %q", command, got, want)
	}
}

// Try runs a command inside and returns what it prints, without the space around
// that.
func (r *Rig) Try(command ...string) (string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	out, err := r.command(ctx, command).CombinedOutput()
	return strings.TrimSpace(string(out)), err
}

// Run is Try of a command that must succeed.
func (r *Rig) Run(command ...string) string {
	r.t.Helper()
	out, err := r.Try(command...)
	if err != nil {
		r.t.Fatalf("%q: %v: %s", command, err, out)
	}
	return out
}

func (r *Rig) command(ctx context.Context, command []string) *exec.Cmd {
	args := append([]string{"-t", strconv.Itoa(r.init), "-m", "-p", "-u", "-i", "-n", "-C", "--"}, command...)
	cmd := exec.CommandContext(ctx, "nsenter", args...)
	cmd.Env = []string{
		"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
		"HOME=/root", "TERM=dumb", "SYSTEMD_PAGER=", "SYSTEMD_COLORS=0", "LC_ALL=C.UTF-8",
	}
	return cmd
}

// Put writes a file inside, beside it first: a program that runs cannot be
// overwritten.
func (r *Rig) Put(path string, mode os.FileMode, content []byte) {
	r.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	cmd := r.command(ctx, []string{"sh", "-c", `cat >"$0.new" && chmod "$1" "$0.new" && mv -f "$0.new" "$0"`, path, fmt.Sprintf("%o", mode)})
	cmd.Stdin = bytes.NewReader(content)
	if out, err := cmd.CombinedOutput(); err != nil {
		r.t.Fatalf("write %s: %v: %s", path, err, out)
	}
}
