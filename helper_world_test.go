//go:build linux

package restart_test

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"pgregory.net/rapid"

	"example.com/restart"
	"example.com/restart/restarttest"
	"example.com/restart/tcp"
)

// A world is a program under test.
type world struct {
	t   *rapid.T
	p   *restarttest.Program
	rec *recorder
	now model

	address string
	kept    net.Conn // by the generation keeper, with its answers
	answers *bufio.Reader
	keeper  int

	mu      sync.Mutex
	members []*member // by number, from 1
	undone  int
	log     bytes.Buffer
}

// A member is a generation that came as far as to add its service.
type member struct {
	*restarttest.Generation
	number int
	fail   chan error
	killed atomic.Bool // what it still does reaches nobody
	ended  bool        // has been seen to
}

var errOnFire = errors.New("on fire")

func newWorld(t *testing.T, rt *rapid.T) *world {
	w := &world{t: rt, rec: &recorder{TB: t}}
	w.p = restarttest.New(w.rec, restart.Options{Probation: time.Hour, Logger: slog.New(slog.NewTextHandler(w, nil))})
	return w
}

// A recorder is a test that ends when end is called.
type recorder struct {
	testing.TB
	cleanups []func()
}

func (r *recorder) Cleanup(f func()) { r.cleanups = append(r.cleanups, f) }

func (w *world) end() {
	for _, f := range w.rec.cleanups {
		f()
	}
	if w.kept != nil {
		w.kept.Close()
	}
}

// Write takes the log.
func (w *world) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.log.Write(p)
}

func (w *world) fatalf(format string, args ...any) {
	w.mu.Lock()
	log := w.log.String()
	w.mu.Unlock()
	w.t.Fatalf("%s\nlog:\n%s", fmt.Sprintf(format, args...), log)
}

// start starts the program from cold.
func (w *world) start() {
	w.p.Start(w.good)
	w.address = w.p.Addr("web")
	w.now.last++
	w.now.main = w.now.last
	w.settle([]model{w.now})
}

// good is a release that can start.
func (w *world) good(r *restart.Restarter) error {
	w.mu.Lock()
	m := &member{Generation: w.p.Latest(), number: len(w.members) + 1, fail: make(chan error, 2)}
	w.members = append(w.members, m)
	w.mu.Unlock()
	r.OnEvent(func(e restart.Event) {
		if e.Kind == restart.EventUndone && !m.killed.Load() {
			w.mu.Lock()
			defer w.mu.Unlock()
			w.undone++
		}
	})
	_, err := r.Add("web", "tcp", "127.0.0.1:0", &fallible{tcp.New(m.answer), m.fail})
	return err
}

func bad(*restart.Restarter) error { return errOnFire }

// A fallible service fails when it is told to. Its accept loop goes on until the
// drain, which would else wait for it.
type fallible struct {
	*tcp.Server
	fail chan error
}

func (s *fallible) Serve(ln net.Listener) error {
	served := make(chan error, 1)
	go func() { served <- s.Server.Serve(ln) }()
	select {
	case err := <-served:
		return err
	case err := <-s.fail:
		return err
	}
}

// answer answers each byte with the number of the generation, until that drains.
func (m *member) answer(ctx context.Context, c net.Conn) {
	go func() {
		select {
		case <-restart.Draining(ctx):
			c.Close()
		case <-ctx.Done():
		}
	}()
	for buf := make([]byte, 1); ; {
		if _, err := c.Read(buf); err != nil {
			return
		}
		fmt.Fprintln(c, m.number)
	}
}

func (w *world) all() []*member {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Clone(w.members)
}

func (w *world) member(number int) *member { return w.all()[number-1] }

func (w *world) perform(d deed) error {
	m := w.member(d.to)
	w.p.Install(w.good)
	switch d.verb {
	case restartsBad:
		w.p.Install(bad)
		return m.Restarter.Restart(context.Background())
	case restarts:
		return m.Restarter.Restart(context.Background())
	case hangsUp:
		m.Signal(syscall.SIGHUP)
	case undoes:
		return m.Undo("the model wants it")
	case kills:
		m.killed.Store(true)
		m.Kill()
	case fails:
		m.fail <- errOnFire
	case terminates:
		m.Signal(syscall.SIGTERM)
	case endsThatTime:
		restart.EndProbation(m.Restarter)
	}
	return nil
}

// settle waits until what is left is as one of the models says.
func (w *world) settle(allowed []model) {
	bound := time.Now().Add(15 * time.Second)
	for {
		got, text := w.observe()
		if slices.Contains(allowed, got) {
			w.now = got
			return
		}
		if time.Now().After(bound) {
			w.fatalf("got %+v (%s), want one of %+v", got, text, allowed)
		}
		time.Sleep(100 * time.Microsecond)
	}
}

// observe returns what is so now, or the zero model while something goes on.
func (w *world) observe() (m model, text string) {
	var living []restart.Status
	var numbers []int
	all := w.all()
	for _, m := range all {
		if st := m.Status(); st.State != restart.StateStopped {
			living, numbers = append(living, st), append(numbers, m.number)
		}
	}
	for i, st := range living {
		text += fmt.Sprintf("%d: %v, on probation %v; ", numbers[i], st.State, st.OnProbation)
	}
	w.mu.Lock()
	m = model{last: len(all), undone: w.undone}
	w.mu.Unlock()
	switch {
	case len(living) == 0:
		return m, text
	case len(living) == 1 && living[0].State == restart.StateServing && !living[0].OnProbation:
		m.main = numbers[0]
		return m, text
	case len(living) == 2 && living[0].State == restart.StateProbation && living[1].State == restart.StateServing && living[1].OnProbation:
		m.main, m.trial = numbers[0], numbers[1]
		return m, text
	}
	return model{}, text
}

// bury sees to what Run of the generations that have ended returns.
func (w *world) bury(judge func(*member, error) error) {
	for _, m := range w.all() {
		if m.ended || m.Status().State != restart.StateStopped {
			continue
		}
		m.ended = true
		if err := judge(m, m.Wait()); err != nil {
			w.fatalf("%v", err)
		}
	}
}

// check checks who answers: new clients, and the one that main has kept.
func (w *world) check() {
	serving := w.now.main
	for _, number := range []int{w.now.main, w.now.trial} {
		if number == 0 {
			continue
		}
		serving = number
		// Its answer comes after whatever it was doing.
		if w.member(number).CancelRestart() {
			w.fatalf("generation %d restarts, want that nothing goes on", number)
		}
	}
	if serving == 0 {
		return
	}
	for range 3 {
		c, answers := w.dial()
		if got, err := ask(c, answers); err != nil || got != serving {
			w.fatalf("a new client: got %d, %v, want %d", got, err, serving)
		}
		c.Close()
	}
	w.checkKept()
}

// checkKept checks the connection that main keeps as long as it has not let go.
func (w *world) checkKept() {
	if w.kept != nil && w.keeper != w.now.main {
		if _, err := ask(w.kept, w.answers); err == nil {
			w.fatalf("generation %d answers, which has ended", w.keeper)
		}
		w.kept.Close()
		w.kept = nil
	}
	if w.kept == nil && w.now.trial == 0 {
		w.kept, w.answers = w.dial()
		w.keeper = w.now.main
	}
	if w.kept == nil {
		return
	}
	if got, err := ask(w.kept, w.answers); err != nil || got != w.keeper {
		w.fatalf("the client that generation %d has kept: got %d, %v", w.keeper, got, err)
	}
}

func (w *world) dial() (net.Conn, *bufio.Reader) {
	c, err := net.Dial("tcp", w.address)
	if err != nil {
		w.fatalf("a new client: %v", err)
	}
	c.SetDeadline(time.Now().Add(15 * time.Second))
	return c, bufio.NewReader(c)
}

func ask(c io.Writer, answers io.Reader) (generation int, err error) {
	if _, err := c.Write([]byte{'?'}); err != nil {
		return 0, err
	}
	_, err = fmt.Fscanln(answers, &generation)
	return generation, err
}
