package control

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"syscall"
	"time"

	"example.com/restart"
)

// A Client asks the program behind a control socket. The zero value with a Path is
// ready to use, by several goroutines too.
//
// An *[Error] is the program's answer to a request that it refused or that failed.
// [ErrNotRunning] and [ErrPermission] say that the program could not be asked, and
// [ErrLost] that its answer was broken off.
type Client struct {
	// Path of the socket, as it was given to [Add].
	Path string
}

// The errors of a Client, apart from *[Error]. Those that it returns wrap them, and say
// what to do.
var (
	ErrNotRunning = errors.New("control: the program cannot be reached")
	ErrPermission = errors.New("control: permission denied")
	ErrLost       = errors.New("control: the answer was broken off")
)

// RestartOptions change what Client.Restart asks for.
type RestartOptions struct {
	// Timeout bounds the restart, including the wait for one that is under way. With
	// zero only Options.ReadyTimeout of the program bounds it.
	Timeout time.Duration

	// Cancel calls the restart off if the client goes away, for example because the
	// context of Restart ends. Otherwise the restart goes on.
	Cancel bool

	// Drain, if not nil, is called with the progress of the old process's drain,
	// and Restart returns when that process has ended.
	Drain func(Progress)
}

// Restart restarts the program and returns when the successor serves. If another
// restart is under way, it waits for that first.
func (c Client) Restart(ctx context.Context, o RestartOptions) (Replaced, error) {
	query := url.Values{}
	if o.Timeout > 0 {
		query.Set("timeout", o.Timeout.String())
	}
	if o.Cancel {
		query.Set("on_disconnect", "cancel")
	}
	if o.Drain != nil {
		query.Set("wait", "drain")
	}
	var replaced Replaced
	err := c.ask(ctx, http.MethodPost, "/restart", query, func(body io.Reader) error {
		if o.Drain == nil {
			return json.NewDecoder(body).Decode(&replaced)
		}
		return follow(body, func(p Progress) {
			if p.Event == ProgressReplaced {
				replaced = Replaced{p.Generation, p.PID, p.Successor, p.Elapsed}
			}
			o.Drain(p)
		})
	})
	return replaced, err
}

// Status returns what the program is doing.
func (c Client) Status(ctx context.Context) (Status, error) {
	var s Status
	err := c.ask(ctx, http.MethodGet, "/status", nil, func(body io.Reader) error {
		return json.NewDecoder(body).Decode(&s)
	})
	return s, err
}

// Cancel ends the restart that is under way. It is an error if there is none.
func (c Client) Cancel(ctx context.Context) error {
	return c.ask(ctx, http.MethodPost, "/cancel", nil, nil)
}

// Undo undoes the last restart while its probation lasts, see
// [restart.Options.Probation]. The reason is for the log. It returns when the old
// process has been told.
func (c Client) Undo(ctx context.Context, reason string) error {
	query := url.Values{}
	if reason != "" {
		query.Set("reason", reason)
	}
	return c.ask(ctx, http.MethodPost, "/undo", query, nil)
}

// Stop makes the program drain and end, and returns when the process has ended.
// progress, which may be nil, is called with the progress of the drain. If ctx ends,
// Stop returns, and the program goes on stopping.
func (c Client) Stop(ctx context.Context, progress func(Progress)) error {
	if progress == nil {
		progress = func(Progress) {}
	}
	for {
		successor := 0
		err := c.ask(ctx, http.MethodPost, "/stop", url.Values{"wait": {"drain"}}, func(body io.Reader) error {
			return follow(body, func(p Progress) { successor = p.Successor; progress(p) })
		})
		if err != nil || successor == 0 {
			return err
		}
		// A restart had come too far to be ended: the successor is to stop too.
	}
}

// Hammer ends the drain of a generation by force, or all drains if generation is 0. It
// returns the generations whose drains it has ended.
func (c Client) Hammer(ctx context.Context, generation int) ([]int, error) {
	query := url.Values{}
	if generation != 0 {
		query.Set("generation", strconv.Itoa(generation))
	}
	var hammered struct{ Hammered []int }
	err := c.ask(ctx, http.MethodPost, "/hammer", query, func(body io.Reader) error {
		return json.NewDecoder(body).Decode(&hammered)
	})
	return hammered.Hammered, err
}

// ask sends a request, and sends it again if the process has been replaced meanwhile.
// read gets the body of the answer.
func (c Client) ask(ctx context.Context, method, path string, query url.Values, read func(io.Reader) error) error {
	for {
		err := c.once(ctx, method, path, query, read)
		if e, ok := errors.AsType[*Error](err); !ok || e.Code != CodeReplaced {
			return err
		}
	}
}

func (c Client) once(ctx context.Context, method, path string, query url.Values, read func(io.Reader) error) error {
	request, err := http.NewRequestWithContext(ctx, method, "http://control"+path+"?"+query.Encode(), nil)
	if err != nil {
		return err
	}
	transport := &http.Transport{DialContext: c.dial, DisableKeepAlives: true}
	response, err := (&http.Client{Transport: transport}).Do(request)
	if err != nil {
		return c.explain(ctx, err)
	}
	defer response.Body.Close()
	if response.StatusCode >= 300 {
		return refusal(response)
	}
	if read == nil {
		return nil
	}
	if err := read(response.Body); err != nil {
		return c.explain(ctx, err)
	}
	return nil
}

func (c Client) dial(ctx context.Context, _, _ string) (net.Conn, error) {
	return new(net.Dialer).DialContext(ctx, "unix", c.Path)
}

// refusal returns the error that a response reports.
func refusal(response *http.Response) error {
	b, err := io.ReadAll(io.LimitReader(response.Body, 1<<20))
	e := new(Error)
	if err != nil || json.Unmarshal(b, e) != nil || e.Text == "" {
		return fmt.Errorf("control: %s: %.200q", response.Status, b)
	}
	return e
}

// errEndless says that a drain has no last line.
var errEndless = errors.New("the process ended before it had told of the end of its drain")

// follow gives each line of a drain to f.
func follow(body io.Reader, f func(Progress)) error {
	lines := bufio.NewScanner(body)
	last := Progress{}
	for lines.Scan() {
		last = Progress{}
		if err := json.Unmarshal(lines.Bytes(), &last); err != nil {
			return err
		}
		f(last)
	}
	if err := lines.Err(); err != nil {
		return err
	}
	switch last.Event {
	case ProgressDrained:
		return nil
	case ProgressUndone:
		return &Error{Code: CodeFailed, Phase: restart.PhaseProbation.String(), Text: last.Error}
	case ProgressReplaced, ProgressStopping, ProgressDraining:
	}
	return errEndless
}

// explain says what to do when the program cannot be asked.
func (c Client) explain(ctx context.Context, err error) error {
	switch {
	case ctx.Err() != nil:
		return fmt.Errorf("control: ask %s: %w", c.Path, context.Cause(ctx))
	case c.Path == "":
		return fmt.Errorf("%w: no socket was given", ErrNotRunning)
	case errors.Is(err, syscall.ENOENT):
		return fmt.Errorf("%w: no such socket: %s: start the program, or give the path that the program gives to control.Add", ErrNotRunning, c.Path)
	case errors.Is(err, syscall.ECONNREFUSED) && !isSocket(c.Path):
		return fmt.Errorf("%w: %s is no socket: give the path that the program gives to control.Add", ErrNotRunning, c.Path)
	case errors.Is(err, syscall.ECONNREFUSED):
		return fmt.Errorf("%w: nobody listens on %s: the program has ended and left the file; start it again", ErrNotRunning, c.Path)
	case errors.Is(err, os.ErrPermission):
		return fmt.Errorf("%w: %s%s: ask as that user or as root", ErrPermission, c.Path, ownerOf(c.Path))
	}
	if op, ok := errors.AsType[*net.OpError](err); ok && op.Op == "dial" {
		return fmt.Errorf("%w: %s: %w", ErrNotRunning, c.Path, op.Err)
	}
	return fmt.Errorf("%w: %w: what was asked for may have been done; ask for the status", ErrLost, err)
}

func isSocket(path string) bool {
	fi, err := os.Stat(path)
	return err == nil && fi.Mode().Type() == os.ModeSocket
}
