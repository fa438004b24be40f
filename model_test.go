//go:build linux

package restart_test

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"

	"pgregory.net/rapid"

	"example.com/restart"
)

// TestModel does to a program whatever comes to it in and out of probations, one
// thing after the other and two at once, and compares it with a model.
func TestModel(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		w := newWorld(t, rt)
		defer w.end()
		for i := range rapid.IntRange(1, 12).Draw(rt, "steps") {
			if w.now.main == 0 {
				w.start()
			}
			if w.now.trial != 0 && rapid.Bool().Draw(rt, fmt.Sprint("two at once", i)) {
				w.doBoth(rapid.SampledFrom(w.pairs()).Draw(rt, fmt.Sprint("pair", i)))
			} else {
				w.do(rapid.SampledFrom(w.deeds()).Draw(rt, fmt.Sprint("deed", i)))
			}
		}
	})
}

// A deed is done to a generation.
type deed struct {
	verb verb
	to   int // number of the generation
}

func (d deed) String() string { return fmt.Sprintf("%s %d", d.verb, d.to) }

type verb string

const (
	restarts     verb = "restart"
	restartsBad  verb = "restart with a bad release"
	hangsUp      verb = "SIGHUP"
	undoes       verb = "undo"
	kills        verb = "kill"
	fails        verb = "fail" // a service fails
	terminates   verb = "SIGTERM"
	endsThatTime verb = "end the time of probation" // Options.Probation
)

// A model says which generations there are when nothing goes on.
type model struct {
	main   int // serves, or may have to serve again; 0: nobody does
	trial  int // serves on probation; 0: there is no probation
	last   int // was started last
	undone int // restarts
}

// after returns what must be so after a deed. A generation that is neither main
// nor on trial has ended, or is about to.
func (m model) after(d deed) model {
	isMain, isTrial := d.to == m.main, d.to == m.trial
	if !isMain && !isTrial {
		return m
	}
	probation := m.trial != 0
	switch {
	case d.verb == restarts && isMain && probation: // is refused
	case d.verb == restartsBad && isMain:
	case d.verb == restarts || d.verb == hangsUp:
		if probation {
			m.main = m.trial
		}
		m.last++
		m.trial = m.last
	case d.verb == undoes && !probation, d.verb == endsThatTime && !probation:
	case d.verb == undoes, isTrial && d.verb == kills, isTrial && d.verb == fails:
		m.trial = 0
		m.undone++
	case isTrial && d.verb == terminates:
		m.main, m.trial = 0, 0
	default: // main goes, or lets go
		m.main, m.trial = m.trial, 0
	}
	return m
}

// deeds returns all that can be done now.
func (w *world) deeds() []deed {
	all := []deed{{endsThatTime, w.now.main}}
	for _, v := range []verb{restarts, restarts, restartsBad, hangsUp, undoes, kills, fails, terminates} {
		for _, to := range []int{w.now.main, w.now.trial} {
			if to != 0 {
				all = append(all, deed{v, to})
			}
		}
	}
	return all
}

// pairs returns what can be done at once and must end as if one had come after the
// other.
func (w *world) pairs() [][2]deed {
	main, trial := w.now.main, w.now.trial
	each := []deed{
		{undoes, main},
		{undoes, trial},
		{endsThatTime, main},
		{kills, trial},
		{fails, main},
		{fails, trial},
		{terminates, main},
		{terminates, trial},
	}
	var all [][2]deed
	for i, a := range each {
		for _, b := range each[i+1:] {
			all = append(all, [2]deed{a, b})
		}
	}
	for _, b := range []deed{{undoes, main}, {endsThatTime, main}, {fails, main}, {terminates, main}} {
		all = append(all, [2]deed{{restarts, trial}, b})
	}
	return all
}

// do does one deed and checks what has become of everybody.
func (w *world) do(d deed) {
	w.t.Log(d)
	was, probation := w.now, w.now.trial != 0
	err := w.perform(d)
	w.settle([]model{was.after(d)})
	failed, tried := errors.AsType[*restart.RestartError](err)
	switch {
	case d.verb == restarts && d.to == was.main && probation, d.verb == restartsBad && d.to == was.main && probation:
		if !errors.Is(err, restart.ErrStopped) {
			w.fatalf("%v: got %v, want ErrStopped", d, err)
		}
	case d.verb == restartsBad:
		if !tried || failed.Phase != restart.PhaseReady {
			w.fatalf("%v: got %v, want that the release failed", d, err)
		}
	case d.verb == undoes && !probation:
		if err == nil {
			w.fatalf("%v: got no error, want that there is no probation", d)
		}
	case err != nil:
		w.fatalf("%v: got %v", d, err)
	}
	if w.now.undone > was.undone {
		last := w.member(w.now.main).Status().LastError
		if failed, ok := errors.AsType[*restart.RestartError](last); !ok || failed.Phase != restart.PhaseProbation {
			w.fatalf("%v: the last error is %v, want one in the probation", d, last)
		}
	}
	w.bury(func(m *member, err error) error {
		want := ""
		switch {
		case d.to == m.number && d.verb == kills:
			want = "signal: killed"
		case d.to == m.number && d.verb == fails:
			want = errOnFire.Error()
		case was.trial == m.number && w.now.undone > was.undone:
			want = "the predecessor gave up on this process"
		}
		if (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			return fmt.Errorf("%v: Run of generation %d: got %v, want %q", d, m.number, err, want)
		}
		return nil
	})
	w.check()
}

// doBoth does two deeds at once.
func (w *world) doBoth(pair [2]deed) {
	w.t.Log(pair)
	var both sync.WaitGroup
	for _, d := range pair {
		both.Go(func() { _ = w.perform(d) }) // whether there is an error depends on which comes first
	}
	both.Wait()
	w.settle([]model{w.now.after(pair[0]).after(pair[1]), w.now.after(pair[1]).after(pair[0])})
	w.bury(func(*member, error) error { return nil })
	w.check()
}
