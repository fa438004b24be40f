//go:build linux && amd64

package injecttest

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"example.com/restart/internal/proctest"
)

const (
	readyTimeout = 20 * time.Second
	hammerTime   = 5 * time.Second

	// bound is for one step of a row. The slowest failures that are known take
	// ReadyTimeout, if a message to the predecessor is lost, or the ten seconds of
	// a successor that waits for its manifest.
	bound = readyTimeout + hammerTime + 15*time.Second
)

// A place is the process in which a call fails.
type place string

const (
	inOld place = "old"
	inNew place = "new"
)

// A row is one call that fails.
type row struct {
	call
	where place
	nth   int
	errno unix.Errno
}

func (r row) String() string {
	return fmt.Sprintf("%s/%s/%d/%s", r.where, r.name, r.nth, unix.ErrnoName(r.errno))
}

// An outcome is what became of a row.
type outcome struct {
	row
	fired  string        // the arguments of the call, empty: there was none such
	ended  string        // how the restart did
	took   time.Duration // until that
	lost   int           // requests on new connections
	failed bool
	words  string // of the errors that the server told
	calls  map[int]int
}

// A family is a server and its successors.
type family struct {
	*proctest.Family
	t       *testing.T
	dir     string
	address string
	lost    []error // of requests that look who serves
}

func serve(t *testing.T) *family {
	t.Helper()
	f := &family{t: t, dir: t.TempDir()}
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), dirVar+"="+f.dir)
	f.Family = proctest.Start(t, "server", cmd)
	f.Wait(2, "restart: serving")
	f.address = field(f.Wait(1, "added", "listener=web"), "address")
	return f
}

// field returns the value of name=value in a line.
func field(line, name string) string {
	_, rest, _ := strings.Cut(line, name+"=")
	value, _, _ := strings.Cut(rest, " ")
	return value
}

// run restarts a server while the call fails, and looks what becomes of it.
func (o *outcome) run(t *testing.T) {
	t.Cleanup(func() { o.failed = t.Failed() }) // the last one: it comes after the family's
	f := serve(t)
	old := f.PIDs()[0]
	kept, err := dial(f.address)
	if err != nil {
		t.Fatal(err)
	}
	defer kept.Close()
	if _, err := kept.ask(); err != nil {
		t.Fatal(err)
	}
	stop := load(f.address)
	stopped := false
	defer func() {
		if !stopped {
			stop()
		}
	}()

	began := time.Now()
	tr := f.restart(o.row, old)
	o.ended = f.ending(old, 1)
	o.took = time.Since(began).Round(time.Millisecond)
	serves := f.settle(old, o.ended)
	if pid, err := kept.ask(); err != nil && !closed(err) {
		t.Errorf("the old connection: %v", err)
	} else if err == nil && pid != serves {
		t.Errorf("process %d answers on the old connection, want %d", pid, serves)
	}
	o.calls, o.fired = tr.end()
	lost := append(f.lost, stop()...)
	stopped = true
	o.lost = len(lost)
	// One may have been on the connection whose call failed.
	if o.lost > 1 && o.ended != diedItself {
		t.Errorf("%d requests were lost, the first by: %v", o.lost, lost[0])
	}
	o.words = f.words()
	if o.ended == failed && o.fired != "" && !o.explained() {
		t.Errorf("the error does not say %q: %s", o.errno, o.words)
	}

	nth := 1
	if serves == old {
		nth = 2
	}
	next := f.again(serves, nth)
	f.Signal(next, syscall.SIGTERM)
	f.WaitEnd()
	for _, name := range []string{"pid", "socket"} {
		if _, err := os.Lstat(filepath.Join(f.dir, name)); err == nil && o.ended != diedItself {
			t.Errorf("the file %q is left", name)
		}
	}
}

// restart makes the server restart, under the tracer where the call is to fail.
func (f *family) restart(r row, old int) *traced {
	f.t.Helper()
	inject := injection{r.number, r.nth, r.errno}
	if r.where == inOld {
		tr := trace(f.t, old, inject)
		f.Signal(old, syscall.SIGHUP)
		return tr
	}
	if err := unix.Mkfifo(f.gate(), 0o600); err != nil {
		f.t.Fatal(err)
	}
	f.Signal(old, syscall.SIGHUP)
	f.Wait(2, "start pid=")
	tr := trace(f.t, f.PIDs()[1], inject)
	f.openGate()
	return tr
}

func (f *family) gate() string { return filepath.Join(f.dir, "gate") }

// openGate lets a successor go that waits, and later ones pass.
func (f *family) openGate() {
	f.t.Helper()
	w, err := os.OpenFile(f.gate(), os.O_RDWR, 0)
	if err != nil {
		f.t.Fatal(err)
	}
	f.t.Cleanup(func() { w.Close() }) // not now: the successor may be about to open it
	if err := os.Remove(f.gate()); err != nil {
		f.t.Fatal(err)
	}
}

// How a restart can end, as the old process says.
const (
	replaced   = "replaced"
	failed     = "failed"
	diedItself = "died" // the old process
)

// ending waits until the nth restart of the old process has ended.
func (f *family) ending(old, nth int) string {
	f.t.Helper()
	for end := time.Now().Add(bound); time.Now().Before(end); time.Sleep(time.Millisecond) {
		died := f.Ended(old)
		if died {
			f.CatchUp() // with its last lines
		}
		replacings := f.Count(fmt.Sprintf("event=%s pid=%d ", replaced, old))
		failures := f.Count(fmt.Sprintf("event=%s pid=%d ", failed, old))
		switch {
		case replacings+failures < nth && died:
			return diedItself
		case replacings+failures < nth:
		case replacings > 0:
			return replaced
		default:
			return failed
		}
	}
	f.t.Fatalf("the restart does not end within %v", bound)
	return ""
}

// settle waits until one process is left and returns it. It must be the one that
// answers.
func (f *family) settle(old int, ended string) int {
	f.t.Helper()
	var alive []int
	for end := time.Now().Add(bound); time.Now().Before(end); time.Sleep(5 * time.Millisecond) {
		alive = nil
		for _, pid := range f.PIDs() {
			if !f.Ended(pid) {
				alive = append(alive, pid)
			}
		}
		if len(alive) == 1 {
			break
		}
	}
	if len(alive) != 1 {
		f.t.Fatalf("after the restart has %s: processes %v are left, want one", ended, alive)
	}
	if (alive[0] == old) != (ended == failed) {
		f.t.Errorf("the restart has %s, and process %d is left; the old one was %d", ended, alive[0], old)
	}
	for range 5 {
		pid, err := who(f.address)
		if err != nil {
			f.lost = append(f.lost, err)
		} else if pid != alive[0] {
			f.t.Errorf("process %d answers, want %d", pid, alive[0])
		}
	}
	return alive[0]
}

// again restarts without a fault, the nth time that the process is to restart.
func (f *family) again(serves, nth int) int {
	f.t.Helper()
	f.Signal(serves, syscall.SIGHUP)
	if how := f.ending(serves, nth); how != replaced {
		f.t.Fatalf("the restart after it has %s", how)
	}
	return f.settle(serves, replaced)
}

// explained reports whether the words say what failed. That a process is gone is
// said without a number, and the Go runtime ends a process in its own words.
func (o *outcome) explained() bool {
	return o.errno == unix.EPIPE || o.errno == unix.ECONNRESET ||
		strings.Contains(o.words, o.errno.Error()) || strings.Contains(o.words, "fatal error: runtime")
}

var errorWords = regexp.MustCompile(`(?m)(?:level=(?:ERROR|WARN) msg=.*|event=failed .*|end pid=.*error=[^<].*)$`)

// words returns what the server told of errors.
func (f *family) words() string {
	return strings.Join(errorWords.FindAllString(strings.Join(f.Lines(), "\n"), -1), "; ")
}
