//go:build linux

package control

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"example.com/restart"
)

// request sends a request and returns status, header and body.
func request(t *testing.T, c Client, method, target, body string) (int, http.Header, string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, "http://control"+target, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	response, err := (&http.Client{Transport: &http.Transport{DialContext: c.dial, DisableKeepAlives: true}}).Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	b, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return response.StatusCode, response.Header, string(b)
}

// What a restart comes to, as curl sees it.
func TestAnswersToARestart(t *testing.T) {
	failure := &restart.RestartError{
		Phase: restart.PhaseReady, PID: 4802, Exit: "exit status 3", Stderr: "config: no such key\n",
		Err: errors.New("it exited before taking over"),
	}
	for name, test := range map[string]struct {
		err       error
		successor int
		status    int
		want      []string
	}{
		"replaced":    {nil, 4802, http.StatusOK, []string{`"generation":3`, `"pid":4711`, `"successor":4802`, `"elapsed_seconds":`}},
		"failed":      {failure, 0, http.StatusFailedDependency, []string{`"code":"failed"`, `"phase":"ready"`, `"pid":4802`, `"exit":"exit status 3"`, `"stderr":"config: no such key\n"`, `"cause":"it exited before taking over"`}},
		"refused":     {fmt.Errorf("%w: 17", restart.ErrTooManyDraining), 0, http.StatusConflict, []string{`"code":"refused"`, "too many earlier generations still drain: 17"}},
		"unsupported": {restart.ErrUnsupported, 0, http.StatusNotImplemented, []string{`"code":"unsupported"`}},
		"stopping":    {restart.ErrStopped, 0, http.StatusConflict, []string{`"code":"refused"`, "process 4711 stops"}},
		"gone on":     {restart.ErrStopped, 4802, http.StatusServiceUnavailable, []string{`"code":"replaced"`, `"successor":4802`, "process 4711 is replaced by process 4802: ask again"}},
	} {
		t.Run(name, func(t *testing.T) {
			p := newFakeProcess()
			p.restart = func(context.Context) error { return test.err }
			p.status.Successor = test.successor
			_, c := listen(t, p)
			status, header, body := request(t, c, "POST", "/restart", "")
			if status != test.status {
				t.Errorf("got status %d, want %d", status, test.status)
			}
			for _, want := range test.want {
				if !strings.Contains(body, want) {
					t.Errorf("got %s, want %s in it", body, want)
				}
			}
			// curl --retry asks again at these, and must not repeat a restart that failed.
			if again := header.Get("Retry-After") != ""; again != (name == "gone on") {
				t.Errorf("got Retry-After %t", again)
			}
		})
	}
}

func TestBadRequests(t *testing.T) {
	_, c := listen(t, newFakeProcess())
	for _, test := range []struct {
		method, target, body string
		status               int
		want                 string
	}{
		{"POST", "/restart?wiat=drain", "", 400, `unknown parameter \"wiat\"`},
		{"POST", "/restart?wait=forever", "", 400, `wait=\"forever\" is not one of`},
		{"POST", "/restart?on_disconnect=no", "", 400, `on_disconnect=\"no\" is not one of`},
		{"POST", "/restart?timeout=5", "", 400, `timeout=\"5\" is not a time`},
		{"POST", "/restart?timeout=-5s", "", 400, `is not a time`},
		{"POST", "/restart?a=%zz", "", 400, "parse the query"},
		{"POST", "/hammer?generation=x", "", 400, "is not a number"},
		{"POST", "/stop?wait=yes", "", 400, "is not one of"},
		{"POST", "/cancel?x=", "", 400, "unknown parameter"},
		{"GET", "/restart", "", 405, ""},
		{"DELETE", "/status", "", 405, ""},
		{"GET", "/etc/passwd", "", 404, ""},
		{"POST", "/restart", strings.Repeat("x", maxBody+1), 413, "too large"},
		{"GET", "/status?" + strings.Repeat("x", 2*maxHeader), "", 431, ""},
	} {
		status, _, body := request(t, c, test.method, test.target, test.body)
		if status != test.status || !strings.Contains(body, test.want) {
			t.Errorf("%s %.40s: got %d %s, want %d %s", test.method, test.target, status, body, test.status, test.want)
		}
	}
}

// A second restart waits for the first, then runs. It waits also for one that was
// not asked for here.
func TestSecondRestartWaits(t *testing.T) {
	p := newFakeProcess()
	calls := make(chan chan error)
	p.restart = func(context.Context) error {
		result := make(chan error)
		calls <- result
		return <-result
	}
	s, c := listen(t, p)
	results := make(chan error, 2)
	ask := func() { _, err := c.Restart(t.Context(), RestartOptions{}); results <- err }
	go ask()
	first := receive(t, calls)
	go ask()
	for range 3 {
		first <- restart.ErrRestarting // a signal was quicker
		first = receive(t, calls)
	}
	if len(s.turn) != 1 {
		t.Error("the first restart has lost its turn")
	}
	first <- errors.New("no luck")
	if err := receive(t, results); err == nil || !strings.Contains(err.Error(), "no luck") {
		t.Errorf("first: got %v", err)
	}
	receive(t, calls) <- nil
	if err := receive(t, results); err != nil {
		t.Errorf("second: got %v", err)
	}
}

// Who waits for a turn while the process is replaced is sent to the successor.
func TestWaitingRestartIsSentOn(t *testing.T) {
	p := newFakeProcess()
	s, c := listen(t, p)
	s.turn <- struct{}{}
	answered := make(chan int, 1)
	go func() { status, _, _ := request(t, c, "POST", "/restart", ""); answered <- status }()
	p.set(func(s *restart.Status) { s.State, s.Successor = restart.StateDraining, 4802 })
	close(p.draining)
	if got := receive(t, answered); got != http.StatusServiceUnavailable {
		t.Errorf("got status %d", got)
	}
}

// The restart goes on, or is called off, as the asker that goes away has asked.
func TestAskerThatGoesAway(t *testing.T) {
	for _, cancel := range []bool{false, true} {
		t.Run(fmt.Sprintf("cancel=%t", cancel), func(t *testing.T) {
			p := newFakeProcess()
			begun, goOn, ended := make(chan struct{}), make(chan struct{}), make(chan error, 1)
			p.restart = func(ctx context.Context) error {
				close(begun)
				select {
				case <-ctx.Done():
				case <-goOn:
				}
				ended <- ctx.Err()
				return ctx.Err()
			}
			s, c := listen(t, p)
			ctx, goAway := context.WithCancel(t.Context())
			asked := make(chan error, 1)
			go func() { _, err := c.Restart(ctx, RestartOptions{Cancel: cancel}); asked <- err }()
			receive(t, begun)
			goAway()
			if err := receive(t, asked); !errors.Is(err, context.Canceled) {
				t.Errorf("got %v", err)
			}
			if cancel {
				if err := receive(t, ended); !errors.Is(err, context.Canceled) {
					t.Errorf("the restart has ended with %v, want that it was called off", err)
				}
				return
			}
			// The server closes the connection when it has seen the asker go and the
			// answer is written; until then the restart is under way.
			if len(s.turn) != 1 {
				t.Error("the restart has ended with its asker")
			}
			close(goOn)
			if err := receive(t, ended); err != nil {
				t.Errorf("the restart has ended with %v, want that it went on", err)
			}
		})
	}
}

// A restart is not called off by the time that a request may take to arrive.
func TestTimeoutIsTheAskers(t *testing.T) {
	p := newFakeProcess()
	p.restart = func(ctx context.Context) error {
		<-ctx.Done()
		return &restart.RestartError{Phase: restart.PhaseReady, Err: context.Cause(ctx)}
	}
	_, c := listen(t, p)
	_, err := c.Restart(t.Context(), RestartOptions{Timeout: time.Millisecond})
	if e, ok := errors.AsType[*Error](err); !ok || e.Code != CodeFailed || !strings.Contains(e.Text, "not done within 1ms") {
		t.Errorf("got %v", err)
	}
}

func TestCancelAndHammer(t *testing.T) {
	p := newFakeProcess()
	under := true
	p.canceled = func() bool { return under }
	var hammered []int
	p.hammered = func(g int) error { hammered = append(hammered, g); return nil }
	_, c := listen(t, p)
	if err := c.Cancel(t.Context()); err != nil {
		t.Error(err)
	}
	under = false
	if e, ok := errors.AsType[*Error](c.Cancel(t.Context())); !ok || e.Code != CodeRefused {
		t.Errorf("nothing to cancel: got %v", e)
	}
	if _, err := c.Hammer(t.Context(), 0); err == nil || err.Error() != "nothing drains" {
		t.Errorf("got %v", err)
	}
	p.set(func(s *restart.Status) { s.Draining = []restart.Earlier{{Generation: 1}, {Generation: 2}} })
	if _, err := c.Hammer(t.Context(), 7); err == nil || err.Error() != "generation 7 does not drain" {
		t.Errorf("got %v", err)
	}
	for _, generation := range []int{0, 2} {
		if _, err := c.Hammer(t.Context(), generation); err != nil {
			t.Error(err)
		}
	}
	if got := fmt.Sprint(hammered); got != "[1 2 2]" {
		t.Errorf("hammered %s", got)
	}
}

// The kernel says who asks. Only the user to whom the process belongs, and root,
// get an answer.
func TestPeersAreChecked(t *testing.T) {
	for _, test := range []struct {
		peer, owner int
		allowed     bool
	}{{1000, 1000, true}, {0, 1000, true}, {0, 0, true}, {1000, 0, false}, {1001, 1000, false}, {65534, 1000, false}} {
		if err := allow(test.peer, test.owner); (err == nil) != test.allowed {
			t.Errorf("user %d at a process of %d: got %v", test.peer, test.owner, err)
		}
	}
	if err := checkPeer(fakeConn{}); err == nil {
		t.Error("a connection that does not tell who asks is allowed")
	}
}

type fakeConn struct{ net.Conn }

// The file is never open to others, whatever the umask.
func TestModeOfTheSocket(t *testing.T) {
	_, c := listen(t, newFakeProcess())
	fi, err := os.Stat(c.Path)
	if err != nil {
		t.Fatal(err)
	}
	if got := fi.Mode(); got != os.ModeSocket|0o600 {
		t.Errorf("got mode %v", got)
	}
}

func TestUndo(t *testing.T) {
	p := newFakeProcess()
	var reasons []string
	p.undo = func(reason string) error { reasons = append(reasons, reason); return nil }
	_, c := listen(t, p)
	for _, reason := range []string{"", "too many errors"} {
		if err := c.Undo(t.Context(), reason); err != nil {
			t.Error(err)
		}
	}
	if got, want := fmt.Sprintf("%q", reasons), `["asked for by the control socket" "too many errors"]`; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	p.undo = func(string) error { return errors.New("no probation") }
	if e, ok := errors.AsType[*Error](c.Undo(t.Context(), "")); !ok || e.Code != CodeRefused || e.Text != "no probation" {
		t.Errorf("got %v", e)
	}
}

// A restart may be undone before its answer begins.
func TestFollowARestartThatIsUndoneAtOnce(t *testing.T) {
	p := newFakeProcess()
	p.restart = func(context.Context) error {
		p.observer(restart.Event{Kind: restart.EventRestarting, Generation: 3})
		p.observer(restart.Event{Kind: restart.EventReplaced, Generation: 3, Successor: 4802})
		p.observer(restart.Event{Kind: restart.EventUndone, Generation: 3, Err: errors.New("it died")})
		return nil
	}
	_, c := listen(t, p)
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	_, err := c.Restart(ctx, RestartOptions{Drain: func(Progress) {}})
	if e, ok := errors.AsType[*Error](err); !ok || e.Phase != "probation" || e.Text != "it died" {
		t.Errorf("got %v", err)
	}
}

// Who follows a drain that does not come learns why.
func TestFollowARestartThatIsUndone(t *testing.T) {
	p := newFakeProcess()
	p.restart = func(context.Context) error {
		p.observer(restart.Event{Kind: restart.EventRestarting, Generation: 3})
		p.observer(restart.Event{Kind: restart.EventReplaced, Generation: 3, Successor: 4802})
		return nil
	}
	_, c := listen(t, p)
	for range 2 { // and again
		_, err := c.Restart(t.Context(), RestartOptions{Drain: func(now Progress) {
			if now.Event == ProgressReplaced {
				p.observer(restart.Event{Kind: restart.EventUndone, Generation: 3, Err: errors.New("it died")})
			}
		}})
		if e, ok := errors.AsType[*Error](err); !ok || e.Phase != "probation" || e.Text != "it died" {
			t.Errorf("got %v", err)
		}
	}
}
