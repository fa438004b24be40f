package restart

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"testing"

	"github.com/hashicorp/go-multierror"
)

func TestErrorsMatch(t *testing.T) {
	sentinels := []error{ErrUnsupported, ErrRestarting, ErrStopped, ErrNotServing, ErrTooManyDraining, ErrUncertain}
	for i, err := range sentinels {
		if !strings.HasPrefix(err.Error(), "restart: ") {
			t.Errorf("got %q, want the prefix", err)
		}
		wrapped := fmt.Errorf("wrapped: %w", err)
		for j, other := range sentinels {
			if got, want := errors.Is(wrapped, other), i == j; got != want {
				t.Errorf("errors.Is(%v, %v): got %v", wrapped, other, got)
			}
		}
	}
	for _, tt := range []struct{ err, is error }{
		{ErrUnsupported, errors.ErrUnsupported},
		{ErrStopped, net.ErrClosed},
		{&RestartError{Err: io.ErrUnexpectedEOF}, io.ErrUnexpectedEOF},
		{fmt.Errorf("x: %w", &RestartError{Err: os.ErrNotExist}), os.ErrNotExist},
	} {
		if !errors.Is(tt.err, tt.is) {
			t.Errorf("%v is not %v", tt.err, tt.is)
		}
	}
}

func TestRestartErrorAsType(t *testing.T) {
	in := &RestartError{Phase: PhaseReady, PID: 7, Err: io.EOF}
	err := fmt.Errorf("wrapped: %w", in)
	if got, ok := errors.AsType[*RestartError](err); !ok || got != in {
		t.Errorf("got %v, %v; want %v", got, ok, in)
	}
	var as *RestartError
	if !errors.As(err, &as) || as.Phase != PhaseReady {
		t.Errorf("got %v", as)
	}
}

func TestRestartErrorText(t *testing.T) {
	for _, tt := range []struct {
		err  *RestartError
		want string
	}{
		{
			&RestartError{Phase: PhasePrepare, Err: errors.New("cause")},
			"restart: no successor started: cause",
		},
		{
			&RestartError{Phase: PhaseHooks, Err: errors.New("cause")},
			"restart: vetoed by a Before hook: cause",
		},
		{
			&RestartError{Phase: PhaseReady, PID: 7, Err: errors.New("cause")},
			"restart: successor (pid 7) failed in phase ready: cause",
		},
		{
			&RestartError{Phase: PhaseReady, PID: 7, Exit: "exit status 2", Stderr: "a\nb\nc\nd\n", Err: errors.New("cause")},
			`restart: successor (pid 7) failed in phase ready: cause (exit status 2); its last words: "b\nc\nd"`,
		},
	} {
		if got := tt.err.Error(); got != tt.want {
			t.Errorf("got  %s\nwant %s", got, tt.want)
		}
	}
}

func TestIsClosing(t *testing.T) {
	for err, want := range map[error]bool{
		nil:                  false,
		io.EOF:               false,
		net.ErrClosed:        true,
		http.ErrServerClosed: true,
		fmt.Errorf("x: %w", http.ErrServerClosed):             true,
		errors.New("grpc: the server has been stopped"):       true,
		errors.New("x: grpc: the server has been stopped"):    false,
		&net.OpError{Op: "accept", Err: net.ErrClosed}:        true,
		&net.OpError{Op: "accept", Err: os.ErrPermission}:     false,
		errors.New("not http: Server closed, something else"): false,
	} {
		if got := isClosing(err); got != want {
			t.Errorf("%v: got %v", err, got)
		}
	}
}

func TestErrorsOfServicesAreOneLine(t *testing.T) {
	a, b := errors.New("a failed"), errors.New("b failed")
	for _, tt := range []struct {
		err  error
		want string
	}{
		{oneLine(multierror.Append(nil, a)), "a failed"},
		{oneLine(multierror.Append(nil, a, b)), "a failed; b failed"},
		{join(a, b), "a failed; b failed"},
		{join(join(a, b), io.EOF), "a failed; b failed; EOF"},
		{join(a, nil), "a failed"},
		{join(nil, b), "b failed"},
	} {
		if got := tt.err.Error(); got != tt.want {
			t.Errorf("got %q, want %q", got, tt.want)
		}
	}
	if err := join(join(a, b), io.EOF); !errors.Is(err, a) || !errors.Is(err, b) || !errors.Is(err, io.EOF) {
		t.Errorf("%v does not match all that it holds", err)
	}
}

// A nil *multierror.Error in an error is not nil.
func TestNoErrorsIsNil(t *testing.T) {
	if err := oneLine(nil); err != nil {
		t.Errorf("got %#v, want nil", err)
	}
	if err := oneLine(new(multierror.Error)); err != nil {
		t.Errorf("got %#v, want nil", err)
	}
	if err := join(nil, nil); err != nil {
		t.Errorf("got %#v, want nil", err)
	}
}

// A phase is a word in logs and JSON.
func TestPhaseString(t *testing.T) {
	seen := make(map[string]bool)
	for p := PhaseHooks; p <= PhaseGo; p++ {
		if got := p.String(); got == "" || strings.Contains(got, "Phase(") || seen[got] {
			t.Errorf("Phase(%d): got %q, want a name of its own", int(p), got)
		} else {
			seen[got] = true
		}
	}
	if got, want := Phase(-1).String(), "Phase(-1)"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}
