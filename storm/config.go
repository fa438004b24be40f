package storm

import (
	"errors"
	"io"
	"strings"
	"syscall"
	"time"

	"example.com/restart/storm/internal/load"
)

// Load says how much of each class of load there is; a class of size 0 is off.
type Load = load.Sizes

// DefaultLoad is a mix that two cores serve with ease.
func DefaultLoad() Load { return load.Default() }

// Config says what to do. Begin with [DefaultConfig]: zero means zero.
type Config struct {
	// Command starts the server. {addr} and {tls} in its arguments become free loopback addresses.
	Command []string
	// Env is added to the environment of Command.
	Env []string
	// LogFile gets what the server prints. Empty: a temporary file, whose last lines are part of an error.
	LogFile string
	// PID is a server that runs already, in place of Command; it needs Addr. It is not stopped in the end.
	PID int

	// Addr and TLSAddr are where the server serves, as host:port. Empty: found out, by the sockets of what Command started.
	Addr, TLSAddr string

	// Signal restarts the server, unless RestartCommand is set.
	Signal syscall.Signal
	// RestartCommand is run by sh -c in place of the signal. {pid} in it becomes the process to be restarted.
	RestartCommand string
	// BeforeRestart, if not nil, is called before each restart, numbered from 1. An error ends the run.
	BeforeRestart func(n int) error

	// Control starts and stops another copy of the server between two restarts, and keeps the latencies meanwhile apart:
	// so much of what a restart costs is the price of starting a process on this machine. It needs a Command with {addr}.
	Control bool

	Restarts int           // how many; 0: load without restarts
	Every    time.Duration // from one restart to the next
	Warmup   time.Duration // load before the first restart
	Cooldown time.Duration // load after the last restart, or after Warmup when there are none

	RestartLimit time.Duration // how long a new process may take to answer
	// DrainLimit is how long to wait, with the load on, for the old processes to end after the last restart. A server that
	// drains for longer than a run looks perfect in that run.
	DrainLimit time.Duration
	Timeout    time.Duration // of a request, beyond the time it was asked to take
	StopGrace  time.Duration // between SIGTERM and SIGKILL for a server that Command started

	Load Load

	// Progress gets a line now and then, a bar if it is a terminal. nil: nothing.
	Progress io.Writer
}

// DefaultConfig returns ten restarts, two seconds apart, by SIGHUP, under the default load.
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
		Load:         DefaultLoad(),
	}
}

func (c Config) check() error {
	switch {
	case len(c.Command) == 0 && c.PID == 0:
		return errors.New("storm: no server: neither a command nor a PID")
	case len(c.Command) > 0 && c.PID != 0:
		return errors.New("storm: both a command and a PID")
	case c.PID < 0:
		return errors.New("storm: a PID is positive")
	case c.PID != 0 && c.Addr == "":
		return errors.New("storm: a server that runs already needs its address")
	case c.Control && !strings.Contains(strings.Join(c.Command, " "), "{addr}"):
		return errors.New("storm: a control needs a command with {addr}: the copy must not serve at the same address")
	case c.Restarts < 0 || c.Restarts > 100_000:
		return errors.New("storm: from 0 to 100000 restarts")
	case c.Every < 0 || c.Warmup < 0 || c.Cooldown < 0 || c.DrainLimit < 0 || c.StopGrace < 0:
		return errors.New("storm: a negative duration")
	case c.RestartLimit <= 0 || c.Timeout <= 0:
		return errors.New("storm: RestartLimit and Timeout must be positive")
	case c.Signal == 0 && c.RestartCommand == "" && c.Restarts > 0:
		return errors.New("storm: no way to restart: neither a signal nor a command")
	}
	return c.Load.Check()
}
