//go:build linux

package restart

import (
	"context"
	"errors"
	"log/slog"
	"math"
	"net"
	"os"
	"reflect"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

// optionRules says for each field what zero becomes, and which values pass
// through unchanged or are refused.
var optionRules = map[string]struct {
	zero    any // what zero is replaced by; nil: stays
	keep    []any
	refused []any
}{
	"HammerTime":   {DefaultHammerTime, []any{time.Nanosecond, time.Duration(-1), time.Duration(math.MaxInt64)}, nil},
	"ReadyTimeout": {DefaultReadyTimeout, []any{time.Nanosecond, time.Duration(-1), time.Duration(math.MaxInt64)}, nil},
	"SettleTime":   {nil, []any{time.Second}, []any{time.Duration(-1)}},
	"MaxDraining":  {DefaultMaxDraining, []any{1, -1}, nil},
	"PIDFile":      {nil, []any{"/run/x.pid"}, nil},
	"Command":      {nil, []any{func(*Command) error { return nil }}, nil},
	"ListenConfig": {nil, []any{net.ListenConfig{KeepAlive: 5}}, nil},
	"Logger":       {slog.Default(), []any{slog.New(slog.DiscardHandler)}, nil},
}

// A field that somebody adds and forgets fails here.
func TestEveryOptionIsHandled(t *testing.T) {
	typ := reflect.TypeFor[Options]()
	if got, want := len(optionRules), typ.NumField(); got != want {
		t.Errorf("got %d rules, want one for each of %d fields", got, want)
	}
	for f := range typ.Fields() {
		rule, ok := optionRules[f.Name]
		if !ok {
			t.Errorf("no rule for %s", f.Name)
			continue
		}
		field := func(o Options) reflect.Value { return reflect.ValueOf(o).FieldByIndex(f.Index) }

		o, err := Options{}.withDefaults("/start")
		if err != nil {
			t.Fatal(err)
		}
		if rule.zero == nil {
			if !field(o).IsZero() {
				t.Errorf("%s: zero became %v, want it to stay", f.Name, field(o))
			}
		} else if got := field(o).Interface(); !reflect.DeepEqual(got, rule.zero) {
			t.Errorf("%s: zero became %v, want %v", f.Name, got, rule.zero)
		}
		for _, v := range rule.keep {
			o := Options{}
			reflect.ValueOf(&o).Elem().FieldByIndex(f.Index).Set(reflect.ValueOf(v))
			o, err := o.withDefaults("/start")
			if err != nil {
				t.Errorf("%s: %v: %v", f.Name, v, err)
			}
			got := field(o)
			if f.Type.Kind() == reflect.Func {
				if got.Pointer() != reflect.ValueOf(v).Pointer() {
					t.Errorf("%s: got another function", f.Name)
				}
			} else if !reflect.DeepEqual(got.Interface(), v) {
				t.Errorf("%s: got %v, want %v as given", f.Name, got, v)
			}
		}
		for _, v := range rule.refused {
			o := Options{}
			reflect.ValueOf(&o).Elem().FieldByIndex(f.Index).Set(reflect.ValueOf(v))
			if _, err := o.withDefaults("/start"); err == nil || !strings.Contains(err.Error(), f.Name) {
				t.Errorf("%s: %v: got error %v, want one that names the field", f.Name, v, err)
			}
		}
	}
}

func TestRelativePIDFileStartsWhereTheProgramStarted(t *testing.T) {
	o, err := Options{PIDFile: "x.pid"}.withDefaults("/start")
	if got, want := o.PIDFile, "/start/x.pid"; err != nil || got != want {
		t.Errorf("got %q, %v; want %q", got, err, want)
	}
	if _, err := (Options{PIDFile: "x.pid"}).withDefaults(""); err == nil || !strings.Contains(err.Error(), "PIDFile") {
		t.Errorf("got %v, want an error that names the option", err)
	}
}

func TestNewRefusesBadOptions(t *testing.T) {
	if r, err := New(Options{SettleTime: -1}); err == nil || r != nil {
		t.Errorf("got %v, %v; want an error", r, err)
	}
}

// RestartError's Phase and the channel must not depend on what a hook does to
// the command.
func TestCommand(t *testing.T) {
	sys := system{program: os.Args[0]}
	self, err := os.Stat(os.Args[0])
	if err != nil || !self.Mode().IsRegular() {
		t.Fatal(self, err)
	}
	args, env := os.Args, startEnv
	t.Cleanup(func() { os.Args, startEnv = args, env })
	startEnv = append(slices.Clone(env), channelVar+"=7", "SECRET=given")
	// What main does to them is its own affair.
	t.Setenv("SECRET", "removed")
	os.Args = os.Args[:1]

	t.Run("unchanged", func(t *testing.T) {
		cmd, err := command(Options{}, sys)
		if err != nil {
			t.Fatal(err)
		}
		if got, want := cmd.Path, os.Args[0]; got != want {
			t.Errorf("got path %q, want %q", got, want)
		}
		if got, want := cmd.Args, args; !reflect.DeepEqual(got, want) {
			t.Errorf("got args %q, want %q", got, want)
		}
		if !slices.Contains(cmd.Env, "SECRET=given") {
			t.Error("the environment is not that of the start")
		}
		if got, want := cmd.Dir, startDir; got != want {
			t.Errorf("got directory %q, want %q", got, want)
		}
		for _, kv := range cmd.Env {
			if strings.HasPrefix(kv, channelVar+"=") {
				t.Errorf("got %s in the environment", kv)
			}
		}
	})
	t.Run("changed", func(t *testing.T) {
		cmd, err := command(Options{Command: func(c *Command) error {
			c.Args = append(c.Args, "more")
			c.Env = []string{channelVar + "=9", "A=b"}
			c.Dir = ""
			return nil
		}}, sys)
		if err != nil {
			t.Fatal(err)
		}
		if got, want := cmd.Env, []string{"A=b"}; !reflect.DeepEqual(got, want) {
			t.Errorf("got environment %q, want %q", got, want)
		}
		if got, want := cmd.Args[len(cmd.Args)-1], "more"; got != want {
			t.Errorf("got last argument %q, want %q", got, want)
		}
		if len(startArgs) == len(cmd.Args) {
			t.Error("what is kept of the start was changed")
		}
	})
	errNo := errors.New("no")
	for name, tt := range map[string]struct {
		change func(*Command) error
		want   string
		is     error
	}{
		"error":    {func(*Command) error { return errNo }, "Options.Command: no", errNo},
		"no args":  {func(c *Command) error { c.Args = nil; return nil }, "Args[0]", nil},
		"missing":  {func(c *Command) error { c.Path = "/nowhere/prog"; return nil }, "Options.Command can name another path", os.ErrNotExist},
		"go run":   {func(c *Command) error { c.Path = "/tmp/go-build12/b001/exe/prog"; return nil }, `use "go build"`, os.ErrNotExist},
		"no dir":   {func(c *Command) error { c.Dir = "/nowhere"; return nil }, "directory to start it in", os.ErrNotExist},
		"dir":      {func(c *Command) error { c.Path = "/tmp"; return nil }, "/tmp is a directory", nil},
		"not exec": {func(c *Command) error { c.Path = "/etc/passwd"; return nil }, "chmod +x", nil},
	} {
		_, err := command(Options{Command: tt.change}, sys)
		if err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: got %v, want %q in it", name, err, tt.want)
		}
		if tt.is != nil && !errors.Is(err, tt.is) {
			t.Errorf("%s: got %v, which is not %v", name, err, tt.is)
		}
	}
}

func TestExplainStart(t *testing.T) {
	for errno, want := range map[syscall.Errno]string{
		syscall.ENOEXEC: "half copied",
		syscall.ETXTBSY: "rename it into place",
		syscall.ENOENT:  "interpreter",
		syscall.EMFILE:  "too many open files",
	} {
		err := explainStart(Command{Path: "/x/prog"}, errno)
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
		if got := programPath(); got != want {
			t.Errorf("%s: got %q, want %q", arg0, got, want)
		}
	}
}

func TestAddRefuses(t *testing.T) {
	r := fakeRestarter(t, Options{}, fakeSystem())
	svc := newTestService()
	if _, err := r.Add("a", "tcp", "127.0.0.1:0", svc); err != nil {
		t.Fatal(err)
	}
	for name, add := range map[string]func() error{
		"no service":        func() error { _, err := r.Add("n", "tcp", "127.0.0.1:0", nil); return err },
		"no packet service": func() error { _, err := r.AddPacket("n", "udp", "127.0.0.1:0", nil); return err },
		"no name":           func() error { _, err := r.Add("", "tcp", "127.0.0.1:0", svc); return err },
		"long name":         func() error { _, err := r.Add(strings.Repeat("x", maxName+1), "tcp", ":0", svc); return err },
		"twice":             func() error { _, err := r.Add("a", "tcp", "127.0.0.1:0", svc); return err },
		"udp":               func() error { _, err := r.Add("u", "udp", "127.0.0.1:0", svc); return err },
		"tcp for packets":   func() error { _, err := r.AddPacket("t", "tcp", "127.0.0.1:0", packetService{}); return err },
		"network":           func() error { _, err := r.Add("x", "carrier pigeon", ":0", svc); return err },
		"address":           func() error { _, err := r.Add("y", "tcp", "no port", svc); return err },
	} {
		if err := add(); err == nil || !strings.HasPrefix(err.Error(), "restart: ") {
			t.Errorf("%s: got %v, want an error of this package", name, err)
		}
	}
	// A name whose listener failed is free again.
	if _, err := r.Add("y", "tcp", "127.0.0.1:0", svc); err != nil {
		t.Error(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := r.Run(ctx); err != nil {
		t.Error(err)
	}
	if _, err := r.Add("late", "tcp", "127.0.0.1:0", svc); !errors.Is(err, ErrStopped) {
		t.Errorf("got %v, want ErrStopped", err)
	}
}
