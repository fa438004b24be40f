//go:build linux

package restart

import (
	"errors"
	"net"
	"strings"
	"testing"
	"time"
)

// failing is a service that fails when told.
type failing struct {
	adopterStub
	when chan struct{}
	err  error
}

func (f *failing) Serve(ln net.Listener) error {
	defer ln.Close()
	go ln.Accept() // the service is seen to serve
	<-f.when
	return f.err
}

// Run's error names every service that failed, not the first one only.
func TestRunNamesEveryFailure(t *testing.T) {
	r, err := New(Options{})
	if err != nil {
		t.Fatal(err)
	}
	when := make(chan struct{})
	errOne, errTwo := errors.New("disk full"), errors.New("no route")
	for name, err := range map[string]error{"one": errOne, "two": errTwo} {
		if _, err := r.Add(name, "tcp", "127.0.0.1:0", &failing{when: when, err: err}); err != nil {
			t.Fatal(err)
		}
	}
	result := make(chan error, 1)
	go func() { result <- r.Run(t.Context()) }()
	close(when)
	select {
	case err := <-result:
		if !errors.Is(err, errOne) || !errors.Is(err, errTwo) || strings.Contains(err.Error(), "\n") {
			t.Errorf("got %v, want both failures in one line", err)
		}
	case <-time.After(20 * time.Second):
		t.Fatal("Run does not return")
	}
}

// A service's error ends the program's serving, and Run returns it, also when
// the drain is over before anybody has looked.
func TestRunReturnsTheErrorsOfServices(t *testing.T) {
	for range 2 { // a second each: nobody accepts what the queue may hold
		failed, unwilling := errors.New("disk on fire"), errors.New("cannot shut down")
		x := start(t, Options{}, spawning(t)).serving()
		x.service.shutdown = unwilling
		x.service.fail <- failed
		err := x.returned()
		if !errors.Is(err, failed) || !errors.Is(err, unwilling) || strings.Contains(err.Error(), "\n") {
			t.Fatalf("got %v, want both in one line", err)
		}
	}
}

// Servers say in many ways that they were closed. A service that was told to
// end has ended in good order.
func TestServeMaySayAnythingAfterShutdown(t *testing.T) {
	for name, end := range map[string]func(*run){
		"stopped":  func(x *run) { x.r.Shutdown() },
		"replaced": func(x *run) { x.r.Restart(t.Context()) },
	} {
		t.Run(name, func(t *testing.T) {
			x := &run{t: t, log: newLogs(t), service: newTestService(), result: make(chan error, 1)}
			x.r = fakeRestarter(t, Options{Logger: slogTo(x.log)}, spawning(t, takeOver))
			if _, err := x.r.Add("web", "tcp", "127.0.0.1:0", oddClose{x.service}); err != nil {
				t.Fatal(err)
			}
			x.run()
			x.reached(StateServing, 1)
			end(x)
			x.drained()
			if got := x.log.count("level=ERROR"); got != 0 {
				t.Errorf("got %d errors in the log, want none", got)
			}
		})
	}
}

// oddClose has an error of its own for having been closed.
type oddClose struct{ *testService }

func (s oddClose) Serve(l net.Listener) error {
	_ = s.testService.Serve(l)
	return errors.New("ssh: Server closed")
}
