// Package servicetest checks that a [restart.Service] does what a Restarter
// expects of it, and that no client loses a request when it is shut down.
//
//	func TestService(t *testing.T) {
//		servicetest.Run(t, func() restart.Service { return newEcho() }, func(c net.Conn) error {
//			if _, err := io.WriteString(c, "hello\n"); err != nil {
//				return err
//			}
//			got, err := bufio.NewReader(c).ReadString('\n')
//			if err == nil && got != "hello\n" {
//				err = fmt.Errorf("got %q", got)
//			}
//			return err
//		})
//	}
package servicetest

import (
	"errors"
	"net"
	"testing"
	"time"

	"example.com/restart"
)

// limits say how long checks wait.
type limits struct {
	// patience bounds every wait. It guards against hanging: a service is never
	// failed for being slow.
	patience time.Duration

	// stuck is the time after which a Serve that must return, but has called
	// Accept instead, counts as blocked there.
	stuck time.Duration

	// pause is the time that a Shutdown gets to close the connections that it
	// must not close. It ends early when it has done so.
	pause time.Duration
}

var usual = limits{patience: 15 * time.Second, stuck: 2 * time.Second, pause: 100 * time.Millisecond}

// A check returns an error that says what is wrong with a service.
type check struct {
	name string
	run  func(*subject) error
}

// checks are in the order in which a service is likely to be written.
var checks = []check{
	{"Serve answers", answers},
	{"Serve answers many at once", answersMany},
	{"Shutdown of an idle service", shutdownIdle},
	{"Shutdown before Serve", shutdownBeforeServe},
	{"Shutdown while Serve begins", shutdownWhileServeBegins},
	{"Shutdown while nothing can be accepted", shutdownStopped},
	{"Shutdown finishes what was begun", shutdownFinishes},
	{"Shutdown while a request arrives", shutdownWhileArriving},
	{"Shutdown before the first request", shutdownBeforeRequest},
	{"Shutdown between two requests", shutdownBetweenRequests},
	{"Shutdown ends with its context", shutdownContext},
	{"Close", closes},
	{"Close before Serve", closeBeforeServe},
	{"State and Restore", states},
	{"Adopt", adopts},
	{"Adopt during and after Shutdown", adoptsLate},
}

// Run checks the services that makeService returns, as subtests that do not run
// in parallel. Each check gets a new service, which must be ready to be given to
// Restarter.Add.
//
// Probe is a client: it does one exchange on c, a connection to the service, and
// returns an error if the service's answer is wrong. It must return when c is
// closed, and should leave c open otherwise. Several goroutines may call it at
// once. Checks may delay its reads and writes, and those of the service.
//
// A service must answer every request that a client had sent, or was about to
// send, when Shutdown began: on connections in use, on new ones, and, if probe
// can be called twice on a connection, on idle ones. A check waits for up to 100
// ms between the beginning of Shutdown and such a request. Alternatively, the
// service may write a goodbye before it closes a connection that waits for a
// request. A bare *http.Server fails, since it closes idle connections at once;
// package example.com/restart/http has a Server that does not.
//
// The optional methods Close, State, Restore and Adopt are checked if the service
// has them. An error that Serve returns after Shutdown does not matter. A check
// also fails if it leaves a goroutine behind, unless it is one that is started
// only once in a process.
func Run(t *testing.T, makeService func() restart.Service, probe func(c net.Conn) error) {
	t.Helper()
	warmUp(makeService, probe, usual)
	for _, c := range checks {
		t.Run(c.name, func(t *testing.T) {
			if err := perform(c, makeService, probe, usual); err != nil {
				t.Error(err)
			}
		})
	}
}

// warmUp lets a service start the goroutines that are started once in a process. It
// ignores errors: the checks find them again.
func warmUp(makeService func() restart.Service, probe func(net.Conn) error, l limits) {
	s, err := newSubject(makeService, probe, l)
	if err != nil {
		return
	}
	defer s.end()
	if s.start() == nil {
		_ = s.exchange()
	}
}

// perform runs a check. It runs it again if goroutines are left: those that are
// started once in a process are not left a second time.
func perform(c check, makeService func() restart.Service, probe func(net.Conn) error, l limits) error {
	err := performOnce(c, makeService, probe, l)
	if _, leaks := errors.AsType[*leakError](err); leaks {
		err = performOnce(c, makeService, probe, l)
	}
	return err
}

func performOnce(c check, makeService func() restart.Service, probe func(net.Conn) error, l limits) error {
	before := goroutines()
	s, err := newSubject(makeService, probe, l)
	if err != nil {
		return err
	}
	err = c.run(s)
	s.end()
	if err != nil {
		return err
	}
	return before.left(l.patience)
}
