//go:build linux

package restart

import (
	"errors"
	"io"
	"net"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"example.com/restart/internal/fdutil"
	"example.com/restart/internal/spawn"
	"example.com/restart/internal/wire"
)

// What a successor may do wrong, and what becomes of it. After each of them the
// old process serves on, and a good successor replaces it.
var failedSuccessors = map[string]struct {
	script  func(*peer)
	options Options
	phase   Phase
	want    string           // in the error's text
	signals []syscall.Signal // sent to it
}{
	"gone at once": {
		script: func(p *peer) {},
		phase:  PhaseReady, want: "it exited before taking over (exit status 7)",
	},
	"gone after the manifest": {
		script: func(p *peer) { p.manifest() },
		phase:  PhaseReady, want: "it exited before taking over (exit status 7)",
	},
	"note, then gone": {
		script: func(p *peer) {
			p.manifest()
			p.send(wire.TypeNote, wire.Note{Text: "first words"})
			p.send(wire.TypeNote, wire.Note{Text: "last words"})
		},
		phase: PhaseReady, want: "phase ready: last words (exit status 7)",
	},
	"failed": {
		script: func(p *peer) {
			p.manifest()
			p.send(wire.TypeFailed, wire.Note{Text: "address already in use"})
			p.want(wire.TypeAbort, nil)
		},
		phase: PhaseReady, want: "phase ready: address already in use (exit status 7)",
	},
	"failed without words": {
		script: func(p *peer) { p.manifest(); p.send(wire.TypeFailed, wire.Note{}); p.want(wire.TypeAbort, nil) },
		phase:  PhaseReady, want: "gave up",
	},
	"never ready": {
		script:  func(p *peer) { p.manifest(); p.want(wire.TypeAbort, nil) },
		options: Options{ReadyTimeout: 2 * time.Second},
		phase:   PhaseReady, want: "not ready within 2s (Options.ReadyTimeout)",
		signals: []syscall.Signal{syscall.SIGTERM},
	},
	"never ready, and deaf": {
		script:  func(p *peer) { p.manifest(); <-p.ended },
		options: Options{ReadyTimeout: 2 * time.Second},
		phase:   PhaseReady, want: "not ready within 2s",
		signals: []syscall.Signal{syscall.SIGTERM, syscall.SIGKILL},
	},
	"gone after ready": {
		script: func(p *peer) { p.manifest(); p.ready() },
		phase:  PhaseCommit, want: "exited before",
	},
	"gone after commit": {
		script: func(p *peer) { p.manifest(); p.ready(); p.want(wire.TypeCommit, nil) },
		phase:  PhaseCommit, want: "exited before",
	},
	"PID file": {
		script: func(p *peer) {
			p.manifest()
			p.ready()
			p.want(wire.TypeCommit, nil)
			p.send(wire.TypeFailed, wire.Note{Text: "PID file: no space left on device"})
			p.want(wire.TypeAbort, nil)
		},
		phase: PhaseCommit, want: "no space left on device",
	},
	"never committed": {
		script: func(p *peer) {
			p.manifest()
			p.ready()
			p.want(wire.TypeCommit, nil)
			p.want(wire.TypeAbort, nil)
		},
		options: Options{ReadyTimeout: 2 * time.Second},
		phase:   PhaseCommit, want: "not ready within",
		signals: []syscall.Signal{syscall.SIGTERM},
	},
	"gone after go": {
		script: func(p *peer) { toGo(p) },
		phase:  PhaseGo, want: "exited before",
	},
	"failed after go": {
		script: func(p *peer) {
			toGo(p)
			p.send(wire.TypeFailed, wire.Note{Text: "no luck"})
			p.want(wire.TypeAbort, nil)
		},
		phase: PhaseGo, want: "no luck",
	},
	"ready twice": {
		script: func(p *peer) { p.manifest(); p.ready(); p.ready(); wantAborted(p) },
		phase:  PhaseCommit, want: "got ready, want committed",
		signals: []syscall.Signal{syscall.SIGTERM},
	},
	"out of turn": {
		script: func(p *peer) { p.manifest(); p.send(wire.TypeServing, wire.Serving{}); wantAborted(p) },
		phase:  PhaseReady, want: "got serving, want ready",
		signals: []syscall.Signal{syscall.SIGTERM},
	},
	"bad ready": {
		script: func(p *peer) {
			p.manifest()
			p.send(wire.TypeReady, map[string]any{"pid": -1})
			wantAborted(p)
		},
		phase: PhaseReady, want: "pid -1",
		signals: []syscall.Signal{syscall.SIGTERM},
	},
	"garbage": {
		script: func(p *peer) { p.manifest(); p.raw("GET / HTTP/1.1\r\n\r\n"); wantAborted(p) },
		phase:  PhaseReady, want: wire.ErrMagic.Error(),
		signals: []syscall.Signal{syscall.SIGTERM},
	},
	"wrong version": {
		script: func(p *peer) {
			p.manifest()
			p.raw("RSTT\x00\x02\x00\x06\x00\x00\x00\x02{}")
			wantAborted(p)
		},
		phase: PhaseReady, want: wire.ErrVersion.Error(),
		signals: []syscall.Signal{syscall.SIGTERM},
	},
	"cut off": {
		script: func(p *peer) { p.manifest(); p.raw("RSTT\x00\x01\x00\x06\x00\x00\x00\x09{}"); wantAborted(p) },
		phase:  PhaseReady, want: wire.ErrTruncated.Error(),
		signals: []syscall.Signal{syscall.SIGTERM},
	},
}

// toGo follows the hand-shake until "go" was said.
func toGo(p *peer) {
	p.manifest()
	p.ready()
	p.want(wire.TypeCommit, nil)
	p.send(wire.TypeCommitted, wire.Committed{})
	p.want(wire.TypeGo, nil)
}

// takeOver follows all of it, then stays until the predecessor has left.
func takeOver(p *peer) {
	toGo(p)
	p.send(wire.TypeServing, wire.Serving{})
	for { // whatever else it sends
		if _, _, err := p.recv(); errors.Is(err, io.EOF) || errors.Is(err, net.ErrClosed) {
			return
		} else if err != nil {
			p.fatalf("script: got %v, want the predecessor's end", err)
		}
	}
}

// wantAborted receives what is left up to "abort".
func wantAborted(p *peer) {
	for {
		f, _, err := p.recv()
		if err != nil {
			p.fatalf("script: got %v, want abort", err)
		}
		if f.Type == wire.TypeAbort {
			return
		}
	}
}

// raw sends a packet as it is.
func (p *peer) raw(packet string) {
	p.t.Helper()
	if _, err := p.sock.WriteString(packet); err != nil {
		p.fatalf("script: %v", err)
	}
}

func TestFailedSuccessor(t *testing.T) {
	for name, tt := range failedSuccessors {
		if name == "cut off" && !cutOffShows {
			continue
		}
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var failed *peer
			sys := spawning(t, func(p *peer) { failed = p; tt.script(p) }, takeOver)
			x := start(t, tt.options, sys).serving()

			err := x.r.Restart(t.Context())
			re, ok := errors.AsType[*RestartError](err)
			if !ok {
				t.Fatalf("got %v, want a *RestartError", err)
			}
			if re.Phase != tt.phase || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got phase %q, %v; want %q and %q in it", re.Phase, err, tt.phase, tt.want)
			}
			if re.PID != os.Getpid() || re.Exit != "exit status 7" {
				t.Errorf("got PID %d, exit %q", re.PID, re.Exit)
			}
			select {
			case <-failed.ended:
			default:
				t.Error("it still runs")
			}
			close(failed.signals)
			var got []syscall.Signal
			for sig := range failed.signals {
				got = append(got, sig)
			}
			if len(got) != len(tt.signals) {
				t.Errorf("got signals %v, want %v", got, tt.signals)
			}
			if st := x.r.Status(); st.State != StateServing || st.LastError == nil {
				t.Errorf("got %v, %v; want serving and the error", st.State, st.LastError)
			}
			x.answers("old")
			x.stillNonBlocking()

			if err := x.r.Restart(t.Context()); err != nil {
				t.Errorf("a good successor after it: %v", err)
			}
			if err := x.returned(); err != nil {
				t.Errorf("Run: %v", err)
			}
			if err := x.r.Restart(t.Context()); !errors.Is(err, ErrStopped) {
				t.Errorf("after Run: got %v, want ErrStopped", err)
			}
		})
	}
}

// stillNonBlocking checks what every start of a process could break.
func (x *run) stillNonBlocking() {
	x.t.Helper()
	for _, s := range x.r.table.list() {
		nb, err := fdutil.NonBlocking(s.ln.Socket().(sysConn))
		if err != nil || !nb {
			x.t.Errorf("listener %q: got non-blocking %v, %v", s.name, nb, err)
		}
	}
}

// The predecessor needs its end of the pipe to hear the last words.
func TestStderrStaysOpenAfterTheManifest(t *testing.T) {
	var fds [2]int
	if err := unix.Pipe2(fds[:], unix.O_CLOEXEC|unix.O_NONBLOCK); err != nil {
		t.Fatal(err)
	}
	read, write := os.NewFile(uintptr(fds[0]), "read"), os.NewFile(uintptr(fds[1]), "write")
	defer read.Close()
	defer write.Close()
	real := dup(t, write)
	defer real.Close()

	sys := spawning(t, takeOver)
	spawnIt := sys.start
	sys.start = func(c spawn.Command, parent spawn.Parent, f *os.File, tl *spawn.Tail, greet spawn.Greeting) (spawn.Process, error) {
		return spawnIt(c, parent, f, tl, func(_, _ *os.File) error { return greet(real, read) })
	}
	x := start(t, Options{}, sys).serving()
	if err := x.r.Restart(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := write.WriteString("last words"); err != nil {
		t.Fatal(err)
	}
	buf := make([]byte, 100)
	n, err := read.Read(buf)
	if got, want := string(buf[:n]), "last words"; got != want || err != nil {
		t.Errorf("got %q, %v; want %q", got, err, want)
	}
	if _, err := real.Stat(); err != nil {
		t.Errorf("the real standard error: %v", err)
	}
}

// Foreign code that blocks must not make the program unstoppable.
func TestForeignCodeThatBlocks(t *testing.T) {
	blocked := make(chan struct{})
	t.Cleanup(func() { close(blocked) })
	block := func(called chan<- struct{}) { close(called); <-blocked }
	for name, tt := range map[string]struct {
		blocks func(*Options, *testService, func()) Service
		want   string
	}{
		"State": {
			func(_ *Options, s *testService, block func()) Service { return &blockingState{s, block} },
			`state of "web": State has not returned`,
		},
		"Command": {
			func(o *Options, s *testService, block func()) Service {
				o.Command = func(*Command) error { block(); return nil }
				return s
			},
			"Options.Command: it has not returned",
		},
	} {
		for _, end := range []string{"ReadyTimeout", "SIGTERM"} {
			t.Run(name+", "+end, func(t *testing.T) {
				t.Parallel()
				called := make(chan struct{})
				x := &run{t: t, log: newLogs(t), service: newTestService(), result: make(chan error, 1)}
				o := Options{Logger: slogTo(x.log)}
				if end == "ReadyTimeout" {
					o.ReadyTimeout = time.Second // the foreign code has been called by then
				}
				service := tt.blocks(&o, x.service, func() { block(called) })
				x.r = fakeRestarter(t, o, spawning(t))
				if _, err := x.r.Add("web", "tcp", "127.0.0.1:0", service); err != nil {
					t.Fatal(err)
				}
				x.run()
				x.reached(StateServing, 1)
				result := make(chan error)
				go func() { result <- x.r.Restart(t.Context()) }()
				<-called
				if end == "SIGTERM" {
					x.signal(syscall.SIGTERM)
				}
				err := <-result
				re, ok := errors.AsType[*RestartError](err)
				if !ok || re.Phase != PhasePrepare || !strings.Contains(err.Error(), tt.want) {
					t.Errorf("got %v, want %q in it", err, tt.want)
				}
				x.r.Shutdown()
				x.drained()
			})
		}
	}
}

type blockingState struct {
	*testService
	block func()
}

func (s *blockingState) State() ([]byte, error) { s.block(); return nil, nil }

func (s *blockingState) Restore([]byte) error { return nil }

// The last thing that a successor which was given up hears is "abort": it must
// not stop like a process that serves, which removes the files.
func TestSuccessorIsNotSignalledAfterGo(t *testing.T) {
	var failed *peer
	x := start(t, Options{}, spawning(t, func(p *peer) {
		failed = p
		toGo(p)
		p.send(wire.TypeReady, wire.Ready{PID: os.Getpid()}) // nonsense
		p.want(wire.TypeAbort, nil)
	})).serving()
	err := x.r.Restart(t.Context())
	if re, ok := errors.AsType[*RestartError](err); !ok || re.Phase != PhaseGo {
		t.Errorf("got %v, want a failure in phase go", err)
	}
	select {
	case sig := <-failed.signals:
		t.Errorf("got signal %v, want none", sig)
	default:
	}
	x.answers("old")
}

// A program that waits for what the old process holds must be told so.
func TestTimeoutSaysWhatMayBeWrong(t *testing.T) {
	x := start(t, Options{ReadyTimeout: 2 * time.Second}, spawning(t, func(p *peer) {
		p.manifest()
		p.want(wire.TypeAbort, nil)
	})).serving()
	err := x.r.Restart(t.Context())
	if err == nil || !strings.Contains(err.Error(), "lock") || !strings.Contains(err.Error(), "Alone") {
		t.Errorf("got %v, want a hint at locks and Alone", err)
	}
}
