// Package servicetest checks that a [restart.Service] does what Restarter
// expects of it.
//
//	func TestService(t *testing.T) {
//		servicetest.Run(t, newEcho, func(c net.Conn) error {
//			_, err := io.WriteString(c, "hello\n")
//			...
//		})
//	}
package servicetest

import (
	"net"
	"testing"
	"time"

	"example.com/restart"
)

// patience bounds every wait. It is a guard against hanging, not a measure: a
// service is never failed for being slow.
const patience = 15 * time.Second

// A check returns what is wrong with a service.
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
	{"Shutdown ends with its context", shutdownContext},
	{"Close", closes},
	{"Close before Serve", closeBeforeServe},
	{"State and Restore", states},
	{"Adopt", adopts},
	{"Adopt during and after Shutdown", adoptsLate},
}

// Run checks the services that make returns, a new one for each check. It must
// be ready to be given to Restarter.Add.
//
// Probe is a client: it does one exchange on c, a connection to the service,
// and returns what is wrong. It should leave c open, and must return when c is
// closed. Some checks delay what it writes or reads.
//
// Checks are subtests, which do not run in parallel; each also fails if a
// goroutine is left behind. Whatever optional interface a service does not have
// is not checked. A bare *http.Server may fail: it drops requests that it has
// read but not begun to handle, which is why package http has a Server.
func Run(t *testing.T, makeService func() restart.Service, probe func(c net.Conn) error) {
	t.Helper()
	for _, c := range checks {
		t.Run(c.name, func(t *testing.T) {
			if err := perform(c, makeService, probe, patience); err != nil {
				t.Error(err)
			}
		})
	}
}

func perform(c check, makeService func() restart.Service, probe func(net.Conn) error, patience time.Duration) error {
	before := goroutines()
	s, err := newSubject(makeService, probe, patience)
	if err != nil {
		return err
	}
	err = c.run(s)
	s.end()
	if err != nil {
		return err
	}
	return before.left(patience)
}
