package cli

import (
	"bytes"
	"strings"
	"syscall"
	"testing"
	"time"

	"example.com/restart/storm"
)

// parsed returns the configuration of a command line that must be good.
func parsed(t *testing.T, args ...string) storm.Config {
	t.Helper()
	var out, errs bytes.Buffer
	c, _, status, done := parseRun(args, &out, &errs)
	if done {
		t.Fatalf("%q: exit status %d: %s%s", args, status, out.String(), errs.String())
	}
	return c
}

func TestRunTakesCommandAfterFlags(t *testing.T) {
	c := parsed(t, "-restarts", "5", "-signal", "usr2", "-ws", "0", "--", "./server", "-addr", "{addr}")
	if got := strings.Join(c.Command, " "); got != "./server -addr {addr}" || c.Restarts != 5 || c.Signal != syscall.SIGUSR2 || c.Load.WS != 0 {
		t.Errorf("got command %q and %+v", got, c)
	}
	if d := storm.DefaultConfig(); c.Every != d.Every || c.Warmup != d.Warmup || c.Cooldown != d.Cooldown || c.Load.Busy != d.Load.Busy {
		t.Errorf("got %+v, want the defaults for the rest", c)
	}
}

func TestRunTakesClassesThatStay(t *testing.T) {
	c := parsed(t, "-stay", "tls,idle", "-stay", "ws", "--", "./server")
	if got := strings.Join(c.Stay, " "); got != "tls idle ws" {
		t.Errorf("got %q", got)
	}
}

// Nothing restarts the server behind a URL unless a command does.
func TestRunOfURL(t *testing.T) {
	const u = "http://127.0.0.1/"
	for _, tt := range []struct {
		args     []string
		restarts int
		load     time.Duration
	}{
		{[]string{"-url", u}, 0, 30 * time.Second},
		{[]string{"-url", u, "-for", "5s"}, 0, 5 * time.Second},
		{[]string{"-url", u, "-restart-cmd", "true"}, 10, 4 * time.Second},
		{[]string{"-url", u, "-restart-cmd", "true", "-restarts", "2"}, 2, 4 * time.Second},
		{[]string{"-for", "1m", "--", "x"}, 0, time.Minute},
	} {
		c := parsed(t, tt.args...)
		if c.Restarts != tt.restarts || c.Warmup+c.Cooldown != tt.load {
			t.Errorf("%q: got %d restarts and %v of load beside them, want %d and %v", tt.args, c.Restarts, c.Warmup+c.Cooldown, tt.restarts, tt.load)
		}
	}
}

func TestRunRefuses(t *testing.T) {
	for _, tt := range []struct {
		args []string
		want string
	}{
		{[]string{"-no-such-flag"}, "no-such-flag"},
		{[]string{"-signal", "NOSUCH", "--", "x"}, `unknown signal "NOSUCH"`},
		{[]string{"-plot", "x.gif", "--", "x"}, "must end in .svg or .png"},
		{[]string{"-for", "5s", "-restarts", "3", "--", "x"}, "leave out -restarts"},
		{[]string{"-url", "http://127.0.0.1/", "--", "x"}, "more than one server"},
		{[]string{"-url", "http://127.0.0.1/", "-restarts", "3"}, "needs a restart command"},
		{[]string{"-stay", "no-such-class", "--", "x"}, `no class "no-such-class"`},
		{nil, "no server"},
	} {
		var out, errs bytes.Buffer
		if got := Run(t.Context(), tt.args, &out, &errs); got != exitFailed {
			t.Errorf("%q: exit status %d, want %d", tt.args, got, exitFailed)
		}
		if got := errs.String(); !strings.HasPrefix(got, "storm: ") || !strings.Contains(got, tt.want) || out.Len() > 0 {
			t.Errorf("%q: printed %q and the error %q, want an error with %q alone", tt.args, out.String(), got, tt.want)
		}
	}
}
