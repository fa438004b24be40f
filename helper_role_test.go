//go:build linux

package restart

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	"example.com/restart/internal/fdutil"
	"example.com/restart/internal/manager"
	"example.com/restart/internal/proctest"
	"example.com/restart/internal/spawn"
)

// configVar names the file with a role's configuration, which every
// generation reads anew.
const configVar = "RESTART_TEST_CONFIG"

// A config is what the server does in the next generation.
type config struct {
	Listeners                []listenerConfig
	HammerTime, ReadyTimeout time.Duration
	LameDuck                 time.Duration
	Probation                time.Duration
	MaxDraining              int
	PIDFile                  string

	Helper  string // a FIFO: starts a process before New that ends when nobody has it open for writing
	Bad     bool   // exits before New
	Anew    bool   // executes its program anew before New
	Gate    string // a FIFO: waits there before Run until somebody writes
	Veto    bool   // a Before hook refuses SIGHUP and SIGTERM, as long as this is so
	Sibling bool   // successors are made siblings
	Count   bool   // the counters of "count" outlive the process
	Deaf    bool   // services ignore all that they are told
	Suicide bool   // dies as soon as a successor has been started
	User    int    // whose the process becomes once it has bound; 0: nobody else's

	Path string   // what to start instead
	Args []string // appended to what is started
	Wrap string   // sh -c of this instead, with the program as "$@"
}

type listenerConfig struct{ Name, Network, Address string }

// versionMark precedes a version at the end of a binary: ELF does not mind.
const versionMark = "\nRESTART-TEST-VERSION="

func version() string {
	exe, err := os.Open("/proc/self/exe")
	if err != nil {
		return err.Error()
	}
	defer exe.Close()
	fi, err := exe.Stat()
	if err != nil {
		return err.Error()
	}
	tail := make([]byte, 100)
	n, _ := exe.ReadAt(tail, fi.Size()-int64(len(tail)))
	if _, v, ok := bytes.Cut(tail[:n], []byte(versionMark)); ok {
		return string(v)
	}
	return "v1"
}

func die(format string, args ...any) {
	fmt.Fprintf(os.Stderr, format+"\n", args...)
	os.Exit(1)
}

func readConfig() (cfg config, err error) {
	b, err := os.ReadFile(os.Getenv(configVar))
	if err != nil {
		return cfg, err
	}
	return cfg, json.Unmarshal(b, &cfg)
}

func serverRole() {
	cfg, err := readConfig()
	if err != nil {
		die("configuration: %v", err)
	}
	_, successor := os.LookupEnv(spawn.ChannelVar)
	if again := "EXECUTED_ANEW=1"; successor && cfg.Anew && !slices.Contains(os.Environ(), again) {
		die("%v", syscall.Exec("/proc/self/exe", os.Args, append(os.Environ(), again)))
	}
	fmt.Printf("start pid=%d version=%s args=%q\n", os.Getpid(), version(), os.Args[1:])
	if successor && cfg.Helper != "" {
		if err := startHelper(cfg.Helper); err != nil {
			die("%v", err)
		}
	}
	if successor && cfg.Bad {
		fmt.Fprintln(os.Stderr, "first words\nlast words: no such plugin")
		os.Exit(3)
	}
	o := Options{
		HammerTime: cfg.HammerTime, ReadyTimeout: cfg.ReadyTimeout, MaxDraining: cfg.MaxDraining, PIDFile: cfg.PIDFile,
		Probation: cfg.Probation,
		Logger:    slog.New(slog.NewTextHandler(os.Stdout, &slog.HandlerOptions{Level: slog.LevelDebug})),
		Command:   cfg.command,
		LameDuck:  cfg.LameDuck,
	}
	sys := realSystem()
	if cfg.Sibling {
		sys.manager = sibling{}
	}
	if cfg.Suicide {
		start := sys.start
		sys.start = func(c spawn.Command, parent spawn.Parent, f *os.File, tl *spawn.Tail, greet spawn.Greeting) (spawn.Process, error) {
			if _, err := start(c, parent, f, tl, greet); err != nil {
				die("%v", err)
			}
			syscall.Kill(os.Getpid(), syscall.SIGKILL)
			select {}
		}
	}
	r, err := newRestarter(o, sys)
	if err != nil {
		die("%v", err)
	}
	r.OnEvent(func(e Event) {
		if e.Kind == EventSuccessorDied {
			fmt.Printf("event=%v pid=%d error=%v\n", e.Kind, os.Getpid(), e.Err)
		}
	})
	for _, l := range cfg.Listeners {
		line := &lineService{name: l.Name, r: r}
		var s Service = line
		switch {
		case cfg.Count:
			s = &countingService{lineService: line}
		case cfg.Deaf:
			s = &deafService{line}
		}
		addr, err := r.Add(l.Name, l.Network, l.Address, s)
		if err != nil {
			die("%v", err)
		}
		fmt.Printf("added name=%s addr=%s pid=%d\n", l.Name, addr, os.Getpid())
	}
	if cfg.User != 0 && os.Geteuid() == 0 {
		if err := errors.Join(syscall.Setgroups(nil), syscall.Setgid(cfg.User), syscall.Setuid(cfg.User)); err != nil {
			die("%v", err)
		}
	}
	for _, sig := range []os.Signal{syscall.SIGHUP, syscall.SIGTERM} {
		if !cfg.Veto {
			break
		}
		r.Before(sig, func(_ context.Context, sig os.Signal) error {
			if now, err := readConfig(); err != nil || !now.Veto {
				return err
			}
			fmt.Printf("veto %v pid=%d\n", sig, os.Getpid())
			return errors.New("vetoed by the test")
		})
	}
	for _, sig := range []os.Signal{syscall.SIGHUP, syscall.SIGTERM} {
		r.Before(sig, func(_ context.Context, sig os.Signal) error {
			fmt.Printf("before %v pid=%d\n", sig, os.Getpid())
			return nil
		})
		r.After(sig, func(_ context.Context, sig os.Signal) error {
			fmt.Printf("after %v pid=%d error=%v\n", sig, os.Getpid(), r.Status().LastError)
			return nil
		})
	}
	if successor && cfg.Gate != "" {
		fmt.Printf("waiting pid=%d\n", os.Getpid())
		if _, err := os.ReadFile(cfg.Gate); err != nil {
			die("%v", err)
		}
	}
	go func() {
		<-r.Serving()
		fmt.Printf("serves generation=%d pid=%d\n", r.Status().Generation, os.Getpid())
	}()
	err = r.Run(context.Background())
	fmt.Printf("exit pid=%d error=%v files=%d goroutines=%d\n", os.Getpid(), err, len(proctest.Files()), runtime.NumGoroutine())
	if err != nil {
		die("%v", err)
	}
}

// startHelper starts a process that ends when nobody has the FIFO open for writing.
// The process inherits the FIFO opened: one that opened it later than the test closes
// it would wait for ever.
func startHelper(fifo string) error {
	f, err := os.Open(fifo)
	if err != nil {
		return err
	}
	defer f.Close()
	cmd := exec.Command("cat")
	cmd.Stdin = f
	return cmd.Start()
}

func (c *config) command(cmd *Command) error {
	if c.Path != "" {
		cmd.Path = c.Path
	}
	cmd.Args = append(cmd.Args, c.Args...)
	if c.Wrap != "" {
		cmd.Args = append([]string{"sh", "-c", c.Wrap, "sh", cmd.Path}, cmd.Args[1:]...)
		cmd.Path = "/bin/sh"
	}
	return nil
}

// A lineService answers lines. It handles each connection to its end.
type lineService struct {
	testService
	name    string
	r       *Restarter
	counter atomic.Int64
}

// A countingService leaves its counter to its successor.
type countingService struct {
	*lineService
	left atomic.Int64 // what the successor knows of the counter
}

func (s *countingService) State() ([]byte, error) {
	n := s.counter.Load()
	s.left.Store(n)
	return json.Marshal(n)
}

func (s *countingService) Restore(state []byte) error { return s.MergeState(state) }

func (s *countingService) LastState() ([]byte, error) {
	return json.Marshal(s.counter.Load() - s.left.Load())
}

func (s *countingService) MergeState(changes []byte) error {
	var n int64
	if err := json.Unmarshal(changes, &n); err != nil {
		return err
	}
	s.counter.Add(n)
	return nil
}

// A deafService returns from nothing.
type deafService struct{ *lineService }

func (s *deafService) Serve(ln net.Listener) error {
	_ = s.lineService.Serve(ln)
	select {}
}

func (*deafService) Shutdown(context.Context) error { select {} }
func (*deafService) Close() error                   { select {} }

func (s *lineService) Serve(ln net.Listener) error {
	s.fail = make(chan error)
	accept := s.lines
	s.accept.Store(&accept)
	return s.testService.Serve(ln)
}

func (s *lineService) lines(c net.Conn) {
	lines := bufio.NewScanner(c)
	for lines.Scan() {
		switch word, rest, _ := strings.Cut(lines.Text(), " "); word {
		case "who":
			fmt.Fprintf(c, "%s %d %d %s\n", version(), s.r.Status().Generation, os.Getpid(), s.name)
		case "count":
			fmt.Fprintln(c, s.counter.Add(1))
		case "counted":
			fmt.Fprintln(c, s.counter.Load())
		case "hold": // a slow request: the client decides how long it takes
			fmt.Fprintf(c, "held %d\n", os.Getpid())
			if lines.Scan() {
				fmt.Fprintf(c, "done %d\n", os.Getpid())
			}
		case "deaf": // ends only when the connection is closed under it
			fmt.Fprintf(c, "held %d\n", os.Getpid())
			io.Copy(io.Discard, c)
			return
		case "hang": // does not even end when the connection is closed under it
			fmt.Fprintf(c, "held %d\n", os.Getpid())
			select {}
		case "restart":
			err := s.r.Restart(context.Background())
			fmt.Fprintf(c, "%q\n", fmt.Sprint(err))
		case "undo":
			fmt.Fprintf(c, "%q\n", fmt.Sprint(s.r.Undo(rest)))
		case "fail": // as a bad release does
			fmt.Fprintln(c, "failing")
			s.fail <- errors.New(rest)
		case "status":
			st := s.r.Status()
			st.LastError = nil // an interface does not survive JSON
			b, err := json.Marshal(st)
			if err != nil {
				b = []byte(err.Error())
			}
			fmt.Fprintf(c, "%s\n", b)
		case "nonblocking":
			fmt.Fprintln(c, s.nonBlocking())
		case "grandchild":
			cmd := exec.Command("/proc/self/exe")
			cmd.Env = append(os.Environ(), proctest.RoleVar+"=grandchild")
			out, err := cmd.CombinedOutput()
			fmt.Fprintf(c, "%q %v\n", out, err)
		case "load":
			fmt.Fprintf(c, "files=%d goroutines=%d\n", len(proctest.Files()), runtime.NumGoroutine())
		case "say":
			fmt.Fprintln(os.Stderr, rest)
			fmt.Fprintln(c, "said")
		default:
			fmt.Fprintf(c, "what? %q\n", word)
		}
	}
}

func (s *lineService) nonBlocking() bool {
	all := true
	for _, sock := range s.r.table.list() {
		nb, err := fdutil.NonBlocking(sock.ln.Socket().(syscall.Conn))
		all = all && nb && err == nil
	}
	return all
}

// grandchildRole shows what a process gets that a server starts for its own
// ends.
func grandchildRole() {
	_, found := os.LookupEnv(spawn.ChannelVar)
	fmt.Printf("variable=%v", found)
	for _, f := range proctest.Files() {
		fmt.Printf(" %s", f)
	}
	fmt.Println()
}

// sibling is a manager that wants successors to be its own children.
type sibling struct{ manager.Nobody }

func (sibling) Parent() spawn.Parent { return spawn.OurParent }
