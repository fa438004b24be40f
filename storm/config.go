package storm

import (
	"errors"
	"io"
	"strings"
	"syscall"
	"time"

	"example.com/restart/storm/internal/clients"
	"example.com/restart/storm/load"
)

// Config says which server gets which load, and how it is restarted. Begin with [DefaultConfig]: in most fields zero means
// zero, not a default. The server is exactly one of Command, PID and URL.
type Config struct {
	// Command starts the server. {addr} and {tls} in its arguments become free loopback addresses.
	Command []string
	// Env is added to the environment of Command, as "KEY=value".
	Env []string
	// LogFile receives the output of Command. Empty: a temporary file, whose last lines become part of an error.
	LogFile string
	// PID is a server that runs already. It needs Addr. Run does not stop it.
	PID int
	// URL is all that storm knows of a server that runs already, anywhere. Storm sends nothing but GETs for this http or
	// https URL, looks at no process, and cannot tell whether a restart brought a new one. Restarts need RestartCommand.
	URL string

	// Addr and TLSAddr say where Command or PID serves, as host:port. Empty: storm finds the listening sockets of Command.
	Addr, TLSAddr string

	// Signal restarts the server, unless RestartCommand is set.
	Signal syscall.Signal
	// RestartCommand is run by sh -c and restarts the server. {pid} in it becomes the process that is to be restarted.
	RestartCommand string
	// BeforeRestart, if not nil, is called before each restart with its number, from 1 on. An error ends the run.
	BeforeRestart func(n int) error

	// Control starts and stops another copy of the server between two restarts, and keeps the latencies of that time apart.
	// They show how much of the cost of a restart is the price of starting a process on this machine. Control needs a
	// Command with {addr}.
	Control bool

	Restarts int           // number of restarts; 0: load only
	Every    time.Duration // from one restart to the next
	Warmup   time.Duration // load before the first restart
	Cooldown time.Duration // load after the last restart, or after Warmup if there are none

	RestartLimit time.Duration // how long a new process may take to answer
	// DrainLimit is how long to wait, under load, for the old processes to end after the last restart. A server whose drain
	// is longer than the run looks perfect in that run.
	DrainLimit time.Duration
	Timeout    time.Duration // of one request, beyond the time that it was asked to take
	StopGrace  time.Duration // between SIGTERM and SIGKILL when Run stops the server that it started

	// Load says how much load there is.
	Load load.Sizes
	// Stay names classes whose connections the server moves to the new process, so that none of them may end: tls, say, if it
	// moves connections with TLS. Those of wsmove must stay in any case.
	Stay []string

	// Progress, if not nil, receives a line every two seconds; a terminal gets a bar.
	Progress io.Writer
}

// DefaultConfig returns a configuration of ten restarts by SIGHUP, two seconds apart, under the default load. The server is
// still missing.
func DefaultConfig() Config {
	return Config{
		Signal:       syscall.SIGHUP,
		Restarts:     10,
		Every:        2 * time.Second,
		Warmup:       2 * time.Second,
		Cooldown:     2 * time.Second,
		RestartLimit: 30 * time.Second,
		DrainLimit:   90 * time.Second,
		Timeout:      10 * time.Second,
		StopGrace:    10 * time.Second,
		Load:         load.Default(),
	}
}

func (c Config) check() error {
	servers := 0
	for _, given := range []bool{len(c.Command) > 0, c.PID != 0, c.URL != ""} {
		if given {
			servers++
		}
	}
	switch {
	case servers == 0:
		return errors.New("storm: no server: need a command, a PID or a URL")
	case servers > 1:
		return errors.New("storm: more than one server: need one of command, PID and URL")
	case c.PID < 0:
		return errors.New("storm: the PID is negative")
	case c.PID != 0 && c.Addr == "":
		return errors.New("storm: a PID needs the address of the server")
	case c.URL != "" && (c.Addr != "" || c.TLSAddr != ""):
		return errors.New("storm: a URL has its own address")
	case c.URL != "" && c.Restarts > 0 && c.RestartCommand == "":
		return errors.New("storm: to restart the server behind a URL needs a restart command")
	case c.URL != "" && strings.Contains(c.RestartCommand, pidPlaceholder):
		return errors.New("storm: {pid} is not known of a URL")
	case c.Control && !strings.Contains(strings.Join(c.Command, " "), addrPlaceholder):
		return errors.New("storm: the control needs a command with {addr}, so that the copy has an address of its own")
	case c.Restarts < 0 || c.Restarts > 100_000:
		return errors.New("storm: the number of restarts must be between 0 and 100000")
	case c.Every < 0 || c.Warmup < 0 || c.Cooldown < 0 || c.DrainLimit < 0 || c.StopGrace < 0:
		return errors.New("storm: a duration is negative")
	case c.RestartLimit <= 0 || c.Timeout <= 0:
		return errors.New("storm: RestartLimit and Timeout must be positive")
	case c.Signal == 0 && c.RestartCommand == "" && c.Restarts > 0:
		return errors.New("storm: no way to restart: need a signal or a restart command")
	}
	for _, class := range c.Stay {
		if err := clients.Keeps(class); err != nil {
			return err
		}
	}
	return c.Load.Check()
}
