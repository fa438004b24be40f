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

// The values that zero stands for in Options.
const (
	DefaultHammerTime   = 60 * time.Second
	DefaultReadyTimeout = 60 * time.Second
	DefaultMaxDraining  = 16
)

// Options configure a Restarter. The zero value is ready to use. New checks
// them: a bad value is an error and never replaced by another one.
type Options struct {
	// HammerTime bounds a drain: when it is over, the connections that are left
	// are closed by force. Zero means DefaultHammerTime. Negative means no bound:
	// only Hammer or SIGUSR2 ends the drain by force.
	HammerTime time.Duration

	// LameDuck is how long a process that is to stop serves on, accepting too,
	// before its drain begins, so that a load balancer can find out and send
	// clients elsewhere: [Status.Ready] is false, and services that are a
	// [LameDuck] send their clients away. It applies to SIGTERM, SIGINT, Shutdown,
	// the end of Run's context and a service that fails, never to a process that
	// is replaced. SIGINT ends that time, and the drain begins. SIGUSR2 and Hammer
	// end that time and the drain. Another SIGTERM ends nothing, because supervisors
	// may send it twice. Restart returns ErrStopped meanwhile. Zero means no such
	// time; negative is an error.
	LameDuck time.Duration

	// ReadyTimeout bounds a restart, from its beginning until the successor
	// serves, calls of Command and State included. A successor that takes longer
	// is killed. Zero means DefaultReadyTimeout; negative means no bound.
	ReadyTimeout time.Duration

	// Probation is how long this process stays ready to serve again after a
	// successor has replaced it. During that time it keeps its listeners, services
	// and live connections and goes on answering those; only new connections go to
	// the successor. If the successor dies, if one of its services fails, or if
	// [Restarter.Undo] is called, this process accepts again: nothing is lost but
	// what the successor has accepted. The drain begins when the time is over, or
	// earlier when either process is to stop or the successor to be restarted.
	// Datagram sockets have no connections: both processes read from them.
	// Zero means no probation; negative is an error.
	Probation time.Duration

	// SettleTime is for programs that call Add after Run, so that a successor
	// cannot know whether an inherited listener that nobody has claimed was
	// removed or comes late. A listener that is not claimed within SettleTime of
	// the last Add is treated as removed. Zero means that everything is added
	// before Run; negative is an error.
	SettleTime time.Duration

	// MaxDraining bounds the earlier generations that may still drain when
	// another restart begins; with more, Restart returns ErrTooManyDraining. Zero
	// means DefaultMaxDraining; negative means no bound.
	MaxDraining int

	// PIDFile is the path of a file that holds the PID of the serving process.
	// It is written atomically before a process serves, and removed when the last
	// one ends. Empty means none. A relative path is taken from the directory in
	// which the program was started.
	PIDFile string

	// Keeper says whether New puts a parent above the program that keeps its PID.
	// Zero means in the first process of a container only.
	Keeper Keeper

	// Command is called at each restart with the command that would be started:
	// the same program with the arguments, environment and directory that this
	// process was started with. It may change the command. An error makes the
	// restart fail. Nil changes nothing.
	Command func(*Command) error

	// ListenConfig binds the sockets that are not inherited.
	ListenConfig net.ListenConfig

	// Version names the build of the program, for Status and for later
	// generations. Empty means what the go command has stamped: the module's
	// version, or else the revision. At most 100 bytes.
	Version string

	// Logger receives events that no return value reports. Nil means
	// slog.Default().
	Logger *slog.Logger
}

// A Command says how a successor is started.
type Command struct {
	// Path is the program's file, an absolute path. Unless changed it is
	// os.Args[0], made absolute with the directory that the process was started
	// in. Symbolic links are not resolved, so that a link which was moved to
	// another release is followed.
	Path string

	// Args are those of os.Args: Args[0] is the name of the program.
	Args []string

	// Env is that of os.Environ. Of duplicates the last one counts. PWD is set to
	// Dir.
	Env []string

	// Dir is the working directory. Unless changed it is the one that the process
	// was started in, by its logical name where $PWD gave one. If that has been
	// deleted, the successor starts in the working directory of this process.
	Dir string
}

// A Hook runs before or after a signal, or a call of [Restarter.Restart], has
// its effect. Its context ends when Run returns or the context of Run ends. For a
// call of Restart it also ends with the context of that call.
type Hook func(ctx context.Context, sig os.Signal) error

// withDefaults returns o with zero values replaced by their defaults. The error says
// which value is bad.
func (o Options) withDefaults(startDir string) (Options, error) {
	if o.SettleTime < 0 {
		return o, fmt.Errorf("restart: Options.SettleTime is %v: it must not be negative", o.SettleTime)
	}
	if o.LameDuck < 0 {
		return o, fmt.Errorf("restart: Options.LameDuck is %v: it must not be negative", o.LameDuck)
	}
	if o.Probation < 0 {
		return o, fmt.Errorf("restart: Options.Probation is %v: it must not be negative", o.Probation)
	}
	if err := o.Keeper.check(); err != nil {
		return o, err
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
	if len(o.Version) > maxVersion {
		return o, fmt.Errorf("restart: Options.Version has %d bytes: at most %d are allowed", len(o.Version), maxVersion)
	}
	if o.Version == "" {
		o.Version = stampedVersion()
	}
	if o.Logger == nil {
		o.Logger = slog.Default()
	}
	return o, nil
}
