package restart

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"time"
)

// What zero means in Options.
const (
	DefaultHammerTime   = 60 * time.Second
	DefaultReadyTimeout = 60 * time.Second
	DefaultMaxDraining  = 16
)

// Options configure a Restarter. The zero value is ready to use. New checks
// them: a bad value is an error and never replaced by another one.
type Options struct {
	// HammerTime is how long a drain may take until what is left is closed by
	// force. Zero means DefaultHammerTime; negative means never: only Hammer
	// or SIGUSR2 ends it.
	HammerTime time.Duration

	// ReadyTimeout is how long a successor may take from its start until it
	// serves. One that takes longer is killed. Zero means DefaultReadyTimeout;
	// negative means no bound.
	ReadyTimeout time.Duration

	// SettleTime is for programs that call Add after Run, so that a successor
	// cannot know whether an inherited listener that nobody claimed yet was
	// dropped or comes late: it takes it for dropped when so much time has
	// passed since the last Add. Zero means that everything was added before
	// Run; negative is an error.
	SettleTime time.Duration

	// MaxDraining is how many earlier generations may still drain when Restart
	// starts another one; with more Restart returns ErrTooManyDraining. Zero
	// means DefaultMaxDraining; negative means no bound.
	MaxDraining int

	// PIDFile is a path where the PID of the serving process is kept, written
	// atomically before a process says that it is ready and removed when the
	// last one ends. Empty means none. A relative path is taken from the
	// directory in which the program was started.
	PIDFile string

	// Command is called at each restart with what would be started: the same
	// program with the same arguments, environment and directory that this
	// process was started with. It may change them. An error makes the restart
	// fail. Nil changes nothing.
	Command func(*Command) error

	// ListenConfig binds the sockets that are not inherited.
	ListenConfig net.ListenConfig

	// Logger gets what has no caller to return to. Nil means slog.Default().
	Logger *slog.Logger
}

// A Command says how a successor is started.
type Command struct {
	// Path is the program's file. Unless changed it is os.Args[0], made
	// absolute with the directory that the process was started in. Symbolic
	// links are not resolved, so that one that was moved to another release is
	// followed.
	Path string
	Args []string // as in os.Args: Args[0] is the name of the program
	Env  []string // as in os.Environ
	Dir  string   // where it starts
}

// A Hook runs before or after what a signal does. The context ends when Run
// returns or is asked to stop by its own context.
type Hook func(ctx context.Context, sig os.Signal) error

// withDefaults returns o with zero values replaced, or what is wrong with it.
func (o Options) withDefaults(startDir string) (Options, error) {
	if o.SettleTime < 0 {
		return o, fmt.Errorf("restart: Options.SettleTime is %v: it must not be negative", o.SettleTime)
	}
	if o.HammerTime == 0 {
		o.HammerTime = DefaultHammerTime
	}
	if o.ReadyTimeout == 0 {
		o.ReadyTimeout = DefaultReadyTimeout
	}
	if o.MaxDraining == 0 {
		o.MaxDraining = DefaultMaxDraining
	}
	if o.PIDFile != "" && !filepath.IsAbs(o.PIDFile) {
		if startDir == "" {
			return o, errors.New("restart: Options.PIDFile is relative, but the directory in which the program was started is not known: give an absolute path")
		}
		o.PIDFile = filepath.Join(startDir, o.PIDFile)
	}
	if o.Logger == nil {
		o.Logger = slog.Default()
	}
	return o, nil
}
