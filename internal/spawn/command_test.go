package spawn

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
)

// A successor is started as this process was, whatever main has changed since.
func TestAgain(t *testing.T) {
	args, env := os.Args, startEnv
	t.Cleanup(func() { os.Args, startEnv = args, env })
	startEnv = append(slices.Clone(env), ChannelVar+"=7", "SECRET=given")
	t.Setenv("SECRET", "removed")
	os.Args = os.Args[:1]

	cmd, err := Again(os.Args[0]).Prepare()
	if err != nil {
		t.Fatal(err)
	}
	if got, want := cmd.Path, os.Args[0]; got != want {
		t.Errorf("got path %q, want %q", got, want)
	}
	if got, want := cmd.Args, args; !slices.Equal(got, want) {
		t.Errorf("got args %q, want %q", got, want)
	}
	if !slices.Contains(cmd.Env, "SECRET=given") {
		t.Error("the environment is not that of the start")
	}
	if got, want := cmd.Dir, startDir; got != want {
		t.Errorf("got directory %q, want %q", got, want)
	}
	for _, kv := range cmd.Env {
		if strings.HasPrefix(kv, ChannelVar+"=") {
			t.Errorf("got %s in the environment", kv)
		}
	}
	cmd = Again(os.Args[0])
	cmd.Args = append(cmd.Args, "more")
	cmd.Args[0] = "other"
	if len(startArgs) == len(cmd.Args) || startArgs[0] == "other" {
		t.Error("what is kept of the start was changed")
	}
}

func TestEnvironment(t *testing.T) {
	for name, tt := range map[string]struct {
		env  []string
		dir  string
		want []string
	}{
		"as it is":                 {[]string{"A=1", "B=2"}, "", []string{"A=1", "B=2"}},
		"the last duplicate wins":  {[]string{"X=old", "A=1", "X=new"}, "", []string{"A=1", "X=new"}},
		"no channel":               {[]string{ChannelVar + "=9", "A=b"}, "", []string{"A=b"}},
		"not this process's":       {[]string{"LISTEN_PID=5", "LISTEN_FDS=1", "LISTEN_FDNAMES=web", "WATCHDOG_PID=5", "SYSTEMD_EXEC_PID=5", "NOTIFY_SOCKET=/run/n", "WATCHDOG_USEC=9"}, "", []string{"NOTIFY_SOCKET=/run/n", "WATCHDOG_USEC=9"}},
		"the directory's name":     {[]string{"PWD=/other", "A=b"}, "/srv/current", []string{"A=b", "PWD=/srv/current"}},
		"not of the form name=val": {[]string{"odd", "odd"}, "", []string{"odd", "odd"}},
	} {
		if got := (Command{Env: tt.env, Dir: tt.dir}).environment(); !slices.Equal(got, tt.want) {
			t.Errorf("%s: got %q, want %q", name, got, tt.want)
		}
	}
}

func TestPrepareRefuses(t *testing.T) {
	for name, tt := range map[string]struct {
		change func(*Command)
		want   string
		is     error
	}{
		"no args":  {func(c *Command) { c.Args = nil }, "Args[0]", nil},
		"relative": {func(c *Command) { c.Path = "bin/prog" }, "give an absolute one", nil},
		"missing":  {func(c *Command) { c.Path = "/nowhere/prog" }, "Options.Command can name another path", os.ErrNotExist},
		"go run":   {func(c *Command) { c.Path = "/tmp/go-build12/b001/exe/prog" }, `use "go build"`, os.ErrNotExist},
		"no dir":   {func(c *Command) { c.Dir = "/nowhere" }, "start in directory", os.ErrNotExist},
		"dir":      {func(c *Command) { c.Path = "/tmp" }, "/tmp is a directory", nil},
		"not exec": {func(c *Command) { c.Path = "/etc/passwd" }, "chmod +x", nil},
	} {
		cmd := Again(os.Args[0])
		tt.change(&cmd)
		_, err := cmd.Prepare()
		if err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: got %v, want %q in it", name, err, tt.want)
		}
		if tt.is != nil && !errors.Is(err, tt.is) {
			t.Errorf("%s: got %v, which is not %v", name, err, tt.is)
		}
	}
}

// A release that was deleted is no obstacle: only the program must be there.
func TestDirectoryThatWasDeleted(t *testing.T) {
	start := startDir
	t.Cleanup(func() { startDir = start })
	startDir = filepath.Join(t.TempDir(), "deleted")
	cmd, err := Again(os.Args[0]).Prepare()
	if err != nil || cmd.Dir != "" {
		t.Errorf("got directory %q, %v; want none", cmd.Dir, err)
	}
}

// The log must tell which release was started.
func TestFile(t *testing.T) {
	dir := t.TempDir()
	file, link := filepath.Join(dir, "app-2"), filepath.Join(dir, "current")
	if err := os.WriteFile(file, nil, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("app-2", link); err != nil {
		t.Fatal(err)
	}
	want, err := filepath.EvalSymlinks(file)
	if err != nil {
		t.Fatal(err)
	}
	if got := (Command{Path: link}).File(); got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	if got, want := (Command{Path: dir + "/gone"}).File(), dir+"/gone"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestExplain(t *testing.T) {
	for errno, want := range map[syscall.Errno]string{
		syscall.ENOEXEC: "half copied",
		syscall.ETXTBSY: "rename it into place",
		syscall.ENOENT:  "interpreter",
		syscall.EMFILE:  "too many open files",
	} {
		err := (Command{Path: "/x/prog"}).Explain(errno)
		if !errors.Is(err, errno) || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), "/x/prog") {
			t.Errorf("got %v, want %q and the path in it", err, want)
		}
	}
}

// The path is looked up where the program was started, wherever it goes, and
// symbolic links stay, so that one that moves is followed.
func TestProgramPath(t *testing.T) {
	dir := t.TempDir()
	link := dir + "/current"
	if err := os.Symlink(os.Args[0], link); err != nil {
		t.Fatal(err)
	}
	args, start := startArgs, startDir
	t.Cleanup(func() { startArgs, startDir = args, start })
	startDir = dir
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", dir)
	for arg0, want := range map[string]string{
		link:         link,
		"./current":  link,
		"current":    link, // by PATH
		"-shell":     exe,  // whatever the parent wrote
		"/gone/prog": exe,
	} {
		startArgs = []string{arg0}
		if got := ProgramPath(); got != want {
			t.Errorf("%s: got %q, want %q", arg0, got, want)
		}
	}
}
