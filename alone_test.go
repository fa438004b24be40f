//go:build linux

package restart_test

import (
	"testing"
	"time"

	"example.com/restart"
	"example.com/restart/restarttest"
	"example.com/restart/tcp"
)

// A mergingService takes its time for the last state of the predecessor.
type mergingService struct {
	*tcp.Server
	merge func()
}

func (mergingService) State() ([]byte, error)     { return []byte("state"), nil }
func (mergingService) Restore([]byte) error       { return nil }
func (mergingService) LastState() ([]byte, error) { return []byte("changes"), nil }

func (s mergingService) MergeState([]byte) error {
	s.merge()
	return nil
}

// Whoever waits for Alone has all that the earlier generations have left, though
// they ended while it was being read.
func TestAloneComesAfterLastState(t *testing.T) {
	var second *restart.Restarter
	early := make(chan bool, 1)
	merge := func() {
		bound := time.Now().Add(30 * time.Second)
		for len(second.Status().Draining) > 0 && time.Now().Before(bound) {
			time.Sleep(time.Millisecond) // no event tells of the end of a process
		}
		if n := len(second.Status().Draining); n > 0 {
			t.Errorf("%d earlier generations have not ended", n)
		}
		for range 1000 { // the loop has time to hear of it
			if err := second.Live(t.Context()); err != nil {
				t.Error(err)
			}
		}
		select {
		case <-second.Alone():
			early <- true
		default:
			early <- false
		}
	}
	setup := func(r *restart.Restarter) error {
		second = r
		_, err := r.Add("state", "tcp", "127.0.0.1:0", mergingService{tcp.New(nil), merge})
		return err
	}
	p := restarttest.New(t, restart.Options{})
	first := p.Start(setup)
	if _, err := p.Restart(setup); err != nil {
		t.Fatal(err)
	}
	if err := first.Wait(); err != nil {
		t.Error(err)
	}
	if <-early {
		t.Error("Alone was closed before MergeState had returned")
	}
	select {
	case <-second.Alone():
	case <-time.After(30 * time.Second):
		t.Error("Alone is not closed")
	}
}
