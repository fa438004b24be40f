//go:build linux

package restart

import (
	"strings"
	"testing"
	"time"

	"example.com/restart/internal/wire"
)

// A program may go on after an Add that failed. The listener that was to be
// there is not dropped for that: the predecessor keeps it, and all others.
func TestFailedAddDropsNothing(t *testing.T) {
	for name, settle := range map[string]time.Duration{"added before Run": 0, "may come later": time.Millisecond} {
		t.Run(name, func(t *testing.T) {
			o := newOldProcess(t)
			o.bequeath()
			x := &run{t: t, log: newLogs(t), service: newTestService(), result: make(chan error, 1)}
			x.r = fakeRestarter(t, Options{Logger: slogTo(x.log), SettleTime: settle}, o.system())
			if _, err := x.r.Add("web", "tcp", taken(t), x.service); err == nil {
				t.Fatal("Add: got no error for an address that is taken")
			}
			if _, err := x.r.Add("other", "tcp", "127.0.0.1:0", newTestService()); err != nil {
				t.Fatal(err)
			}
			x.run()
			inScript(func() {
				var note wire.Note
				o.want(wire.TypeNote, &note)
				o.want(wire.TypeFailed, &note)
				if !strings.Contains(note.Text, "address already in use") {
					o.fatalf("got %q, want why the listener could not be added", note.Text)
				}
			})
			if err := x.returned(); err == nil || !strings.Contains(err.Error(), `listener "web"`) {
				t.Errorf("Run: got %v, want which listener could not be added", err)
			}
			o.acceptsNothing()
		})
	}
}

// One that could be done without, or was made up for, stops nothing.
func TestFailedAddOfNothingInherited(t *testing.T) {
	o := newOldProcess(t)
	o.bequeath()
	x, err := o.newHeir(t, Options{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := x.r.Add("debug", "tcp", taken(t), newTestService()); err == nil {
		t.Fatal("Add: got no error for an address that is taken")
	}
	x.run()
	inScript(func() {
		o.want(wire.TypeNote, nil)
		o.toServing(wire.Go{})
	})
	x.log.wait(t, 1, "to=serving")
	x.answers("new")
	x.r.Shutdown()
	if err := x.returned(); err != nil {
		t.Errorf("Run: %v", err)
	}
}
