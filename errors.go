package restart

import (
	"errors"
	"fmt"
	"net"
	"strings"

	"github.com/hashicorp/go-multierror"

	"example.com/restart/internal/spawn"
	"example.com/restart/internal/transfer"
)

// The errors of Restart and Add that say that nothing was tried.
var (
	// ErrUnsupported says that a process cannot be replaced on this platform.
	// It matches errors.ErrUnsupported.
	ErrUnsupported error = unsupported{}

	// ErrRestarting says that a restart is under way.
	ErrRestarting = errors.New("restart: a restart is under way")

	// ErrStopped says that the process drains or has stopped. Nothing can be
	// added. If there is a successor, only that can be restarted.
	ErrStopped error = stopped{}

	// ErrNotServing says that Run has not been called or that the process is
	// not ready yet.
	ErrNotServing = errors.New("restart: not serving yet")

	// ErrTooManyDraining says that more than Options.MaxDraining earlier
	// generations still drain.
	ErrTooManyDraining = errors.New("restart: too many earlier generations still drain")
)

// ErrUncertain is what [Handover.Send] returns when the successor dies before it has
// said whether it took the connection. The successor may have read a request, or
// sent the beginning of an answer. So Send has closed the connection, and nothing
// may be served on it here.
var ErrUncertain = fmt.Errorf("restart: hand over: %w", transfer.ErrUncertain)

type unsupported struct{}

func (unsupported) Error() string { return "restart: replacing the process is not supported here" }

func (unsupported) Unwrap() error { return errors.ErrUnsupported }

// stopped is also net.ErrClosed, for callers who treat Add like net.Listen.
type stopped struct{}

func (stopped) Error() string { return "restart: draining or stopped" }

func (stopped) Unwrap() error { return net.ErrClosed }

// A Phase is a part of a restart. That of a [RestartError] is the one that failed.
type Phase int

// The phases of a restart, in order.
const (
	PhaseHooks     Phase = iota // the Before hooks of SIGHUP run
	PhasePrepare                // Options.Command and each State are called, the program's file is looked up
	PhaseStart                  // the process is started
	PhaseReady                  // the successor's services become ready
	PhaseCommit                 // the successor writes the PID file
	PhaseGo                     // the successor begins to accept
	PhaseProbation              // the restart can be undone, see Options.Probation
)

var phaseNames = [...]string{"hooks", "prepare", "start", "ready", "commit", "go", "probation"}

func (p Phase) String() string {
	if p >= 0 && int(p) < len(phaseNames) {
		return phaseNames[p]
	}
	return fmt.Sprintf("Phase(%d)", int(p))
}

// MarshalText returns the phase's name, for JSON and logs.
func (p Phase) MarshalText() ([]byte, error) { return []byte(p.String()), nil }

// A RestartError says why a restart failed. The process that was to be
// replaced goes on serving.
type RestartError struct {
	// Phase is the phase in which the restart failed.
	Phase Phase

	// PID of the successor, 0 if none was started.
	PID int

	// Exit is how the successor ended, such as "exit status 1" or "signal:
	// killed"; empty if that is not known.
	Exit string

	// Stderr holds the last lines that the successor wrote to its standard
	// error, empty if it wrote none or they went straight to a terminal.
	Stderr string

	// Err is the cause. It is the context's error if that ended the attempt.
	Err error
}

func (e *RestartError) Error() string {
	var b strings.Builder
	switch {
	case e.Phase == PhaseHooks:
		b.WriteString("restart: vetoed by a Before hook: ")
	case e.PID == 0:
		b.WriteString("restart: no successor started: ")
	default:
		fmt.Fprintf(&b, "restart: successor (pid %d) failed in phase %v: ", e.PID, e.Phase)
	}
	fmt.Fprint(&b, e.Err)
	if e.Exit != "" {
		fmt.Fprintf(&b, " (%s)", e.Exit)
	}
	if last := spawn.LastWords(e.Stderr, 3); last != "" && !strings.Contains(last, e.Err.Error()) {
		fmt.Fprintf(&b, "; its last words: %q", last)
	}
	return b.String()
}

// Unwrap returns e.Err.
func (e *RestartError) Unwrap() error { return e.Err }

// isClosing reports whether err is how a service says that it was told to
// close. The two texts stand for http.ErrServerClosed and
// grpc.ErrServerStopped: importing those packages would cost every program
// that serves something else several megabytes.
func isClosing(err error) bool {
	for e := err; e != nil; e = errors.Unwrap(e) {
		switch e.Error() {
		case "http: Server closed", "grpc: the server has been stopped":
			return true
		}
	}
	return errors.Is(err, net.ErrClosed)
}

// oneLine makes an error of errs whose text fits a log line, nil if there are
// none.
func oneLine(errs *multierror.Error) error {
	if errs == nil {
		return nil
	}
	errs.ErrorFormat = func(all []error) string {
		texts := make([]string, len(all))
		for i, err := range all {
			texts[i] = err.Error()
		}
		return strings.Join(texts, "; ")
	}
	return errs.ErrorOrNil()
}

// join keeps both errors, in one line.
func join(a, b error) error {
	if a == nil || b == nil {
		return errors.Join(a, b)
	}
	return oneLine(multierror.Append(a, b))
}

// prefixed returns err with the package's prefix, unless it has that already.
func prefixed(err error) error {
	if strings.HasPrefix(err.Error(), "restart: ") {
		return err
	}
	return fmt.Errorf("restart: %w", err)
}
