// Package http is the drop-in: net/http servers that can be restarted so that
// no client notices. One changed import makes one of a program that calls
// ListenAndServe.
//
// All servers of a program that are started with this package share one
// [restart.Restarter], see [Default], and so one restart: SIGHUP replaces the
// process by a new one, which serves the same sockets. All their
// ListenAndServe calls return together, after the old process has finished what
// it had begun, with [http.ErrServerClosed]; main may return then. Other
// services of the program, such as those of package tcp, must be added to the
// same Restarter: with two of them in a process nothing can be restarted.
package http

import (
	"context"
	"errors"
	"net/http"
	"sync"
	"time"

	"example.com/restart"
)

// What NewServer and the default Restarter use. They are read when a server is
// made or, where they concern the process, by the first call of Default,
// Server.Before, Server.After or a ListenAndServe: set them before.
var (
	// DefaultReadTimeout, DefaultWriteTimeout and DefaultMaxHeaderBytes have
	// the values of a zero [http.Server]: no time-outs, and 1 MiB.
	DefaultReadTimeout    time.Duration
	DefaultWriteTimeout   time.Duration
	DefaultMaxHeaderBytes = http.DefaultMaxHeaderBytes

	// DefaultHammerTime is how long a drain may take, see
	// [restart.Options.HammerTime]: negative means for ever.
	DefaultHammerTime = restart.DefaultHammerTime

	// DefaultSettleTime is how long a successor waits for a ListenAndServe
	// that claims an inherited listener, before it takes the listener for
	// dropped, see [restart.Options.SettleTime].
	DefaultSettleTime = time.Second

	// DefaultOptions are the other options of the default Restarter, such as
	// PIDFile. A HammerTime or SettleTime that is not zero wins over the
	// variables above.
	DefaultOptions restart.Options
)

// ListenAndServe is [http.ListenAndServe] with a restart on SIGHUP. It returns
// when the process has drained.
func ListenAndServe(addr string, handler http.Handler) error {
	return NewServer(addr, handler).ListenAndServe()
}

// ListenAndServeTLS is [http.ListenAndServeTLS] with a restart on SIGHUP.
// HTTP/2 is served as net/http does. Each generation reads the files anew.
func ListenAndServeTLS(addr, certFile, keyFile string, handler http.Handler) error {
	return NewServer(addr, handler).ListenAndServeTLS(certFile, keyFile)
}

// A process is what all servers of this program share: a process has one
// predecessor and one set of signals.
type process struct {
	once      sync.Once
	restarter *restart.Restarter
	err       error

	run  sync.Once
	done chan struct{} // closed when Run has returned
	ran  error         // what it returned
}

var shared = process{done: make(chan struct{})}

// Default returns the Restarter that the servers of this package share, and
// makes it at the first call. A program can add other services to it and ask
// it for its Status; the first ListenAndServe runs it.
func Default() (*restart.Restarter, error) {
	shared.once.Do(func() {
		o := DefaultOptions
		if o.HammerTime == 0 {
			o.HammerTime = DefaultHammerTime
		}
		if o.SettleTime == 0 {
			o.SettleTime = DefaultSettleTime
		}
		shared.restarter, shared.err = restart.New(o)
	})
	return shared.restarter, shared.err
}

// wait runs the default Restarter, if this is the first call, and returns when
// it has drained.
func (p *process) wait() error {
	p.run.Do(func() {
		go func() {
			defer close(p.done)
			p.ran = p.restarter.Run(context.Background())
		}()
	})
	<-p.done
	if p.ran != nil {
		return p.ran
	}
	return http.ErrServerClosed
}

// errTwice says that a server was started twice.
var errTwice = errors.New("restart/http: the server was started before")
