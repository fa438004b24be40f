package restart

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"syscall"
	"time"

	"example.com/restart/internal/channel"
	"example.com/restart/internal/wire"
)

const (
	// abortGrace is what a successor gets to leave by itself after "abort" and
	// SIGTERM, killGrace what the kernel gets to carry SIGKILL out.
	abortGrace = 3 * time.Second
	killGrace  = 5 * time.Second

	statePiece  = 32 << 10 // bytes of state in one message, before base64
	filesAtOnce = 40       // descriptions in one message, each below 1.5 KiB
)

// A bequest is what a successor inherits.
type bequest struct {
	generation int // of this process
	sockets    []*socket
	lifelines  []lifeline
	own        *os.File // our own lifeline, read end
}

// A successor is the process that is to replace this one, as seen from here.
type successor struct {
	conn *channel.Conn
	proc process
	tail *tail
	log  *slog.Logger

	phase   string
	note    string   // what it wants quoted should it die
	pid     int      // as it says itself
	claimed []string // the sockets it took
	adopts  []string // those whose services want live connections

	courier *courier // from "serving" on
}

// raise starts a successor and leads it up to the point where it serves. An
// error is a *RestartError, and then nothing of the attempt is left. ctx can
// end it until "go" is said; after that only within tells when to give up.
func raise(ctx context.Context, o Options, sys system, b bequest, beforeGo func() error, again func() bool) (*successor, error) {
	within := o.ReadyTimeout
	if within > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeoutCause(ctx, within, fmt.Errorf("not ready within %v (Options.ReadyTimeout)", within))
		defer cancel()
	}
	s := &successor{phase: "prepare", tail: new(tail), log: o.Logger}
	err := s.lead(ctx, o, sys, b, beforeGo, again)
	if err == nil {
		return s, nil
	}
	if ctx.Err() != nil && !errors.Is(err, errGaveUp) {
		err = context.Cause(ctx)
	}
	return nil, s.bury(err)
}

func (s *successor) lead(ctx context.Context, o Options, sys system, b bequest, beforeGo func() error, again func() bool) error {
	cmd, err := command(o, sys)
	if err != nil {
		return err
	}
	states, err := collectStates(b.sockets)
	if err != nil {
		return err
	}
	s.phase = "start"
	if err := s.start(sys, cmd, b.generation); err != nil {
		return err
	}
	// Every wait below ends with ctx.
	stop := context.AfterFunc(ctx, func() { s.conn.SetDeadline(time.Unix(1, 0)) })
	defer stop()

	s.phase = "ready"
	if err := s.bequeath(b, states); err != nil {
		return s.explain(err)
	}
	var ready wire.Ready
	if err := s.await(wire.TypeReady, &ready); err != nil {
		return err
	}
	s.pid, s.claimed, s.adopts = ready.PID, ready.Claimed, ready.Adopts

	s.phase = "commit"
	if err := s.conn.Send(wire.TypeCommit, wire.Commit{}); err != nil {
		return s.explain(err)
	}
	if err := s.await(wire.TypeCommitted, &wire.Committed{}); err != nil {
		return err
	}
	if err := beforeGo(); err != nil {
		return err
	}

	// From here on the successor may serve, so this process must either be
	// replaced or see it dead. Only the time-out still counts.
	s.phase = "go"
	if !stop() {
		return context.Cause(ctx)
	}
	bound := time.Now().Add(killGrace)
	if deadline, ok := ctx.Deadline(); ok && deadline.After(bound) {
		bound = deadline
	}
	s.conn.SetDeadline(bound)
	if err := s.conn.Send(wire.TypeGo, wire.Go{Again: again()}); err != nil {
		return s.explain(err)
	}
	if err := s.await(wire.TypeServing, &wire.Serving{}); err != nil {
		return err
	}
	s.proc.unfollow()
	if err := s.conn.SetDeadline(time.Time{}); err != nil {
		return err
	}
	s.courier = newCourier(s.conn)
	return nil
}

// start starts the process with its end of a new channel.
//
// Who it is and where standard error goes is said before the process is there:
// whatever happens to us from then on, the successor has a reader for its
// standard error, and no SIGPIPE ends it.
func (s *successor) start(sys system, cmd Command, generation int) error {
	conn, theirs, err := channel.Pair()
	if err != nil {
		return err
	}
	defer theirs.Close()
	s.conn = conn
	s.proc, err = sys.spawn(cmd, theirs, s.tail, func(real, pipe *os.File) error {
		if err := conn.Send(wire.TypeHello, wire.Hello{PID: os.Getpid(), Generation: generation}); err != nil {
			return err
		}
		if real == nil || pipe == nil {
			return nil
		}
		descs := []wire.File{{Kind: wire.KindStderr}, {Kind: wire.KindRelay}}
		return conn.Send(wire.TypeFiles, wire.Files{Files: descs}, real, pipe)
	})
	if err != nil {
		conn.Close()
		return explainStart(cmd, err)
	}
	s.pid = s.proc.pid()
	return nil
}

// bequeath sends the manifest. It waits for nothing but room in the socket.
func (s *successor) bequeath(b bequest, states map[string][]byte) error {
	var descs []wire.File
	var files []*os.File
	defer func() { channel.CloseAll(files) }()
	for _, sock := range b.sockets {
		desc, f, err := sock.describe()
		if errors.Is(err, os.ErrClosed) || isClosing(err) {
			continue // its service has closed it
		}
		if err != nil {
			return fmt.Errorf("listener %q: %w", sock.name, err)
		}
		descs, files = append(descs, desc), append(files, f)
	}
	made := len(files)
	lifelines := append(b.lifelines[:len(b.lifelines):len(b.lifelines)],
		lifeline{pid: os.Getpid(), generation: b.generation, file: b.own})
	for _, l := range lifelines {
		descs = append(descs, wire.File{Kind: wire.KindLifeline, PID: l.pid, Generation: l.generation})
		files = append(files, l.file)
	}
	// The sockets' were made for this, the rest is borrowed.
	all := files
	files = files[:made]
	for i := 0; i < len(all); i += filesAtOnce {
		end := min(i+filesAtOnce, len(all))
		if err := s.conn.Send(wire.TypeFiles, wire.Files{Files: descs[i:end]}, all[i:end]...); err != nil {
			return err
		}
	}
	for name, state := range states {
		for len(state) > statePiece {
			if err := s.conn.Send(wire.TypeState, wire.State{Name: name, Data: state[:statePiece]}); err != nil {
				return err
			}
			state = state[statePiece:]
		}
		if err := s.conn.Send(wire.TypeState, wire.State{Name: name, Data: state, Last: true}); err != nil {
			return err
		}
	}
	return s.conn.Send(wire.TypeStart, wire.Start{})
}

func collectStates(sockets []*socket) (map[string][]byte, error) {
	states := make(map[string][]byte)
	for _, sock := range sockets {
		st, ok := sock.service().(Stateful)
		if !ok {
			continue
		}
		b, err := st.State()
		if err != nil {
			return nil, fmt.Errorf("state of %q: %w", sock.name, err)
		}
		if len(b) > maxState {
			return nil, fmt.Errorf("state of %q: %d bytes, at most %d", sock.name, len(b), maxState)
		}
		states[sock.name] = b
	}
	return states, nil
}

// What ends a wait.
var (
	errGone   = errors.New("it ended before it was ready")
	errGaveUp = errors.New("it gave up")
)

// await waits for a message of type want.
func (s *successor) await(want wire.Type, v any) error {
	for {
		f, files, err := s.conn.Recv()
		channel.CloseAll(files)
		if err != nil {
			return s.explain(err)
		}
		switch f.Type {
		case want:
			return f.Decode(v)
		case wire.TypeNote, wire.TypeFailed:
			var m wire.Note
			if err := f.Decode(&m); err != nil {
				return err
			}
			s.note = m.Text
			if f.Type == wire.TypeFailed {
				return s.explain(errGaveUp)
			}
		default:
			return fmt.Errorf("got %v, want %v", f.Type, want)
		}
	}
}

// explain puts the successor's own words to what was seen of its end.
func (s *successor) explain(err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, syscall.EPIPE) || errors.Is(err, syscall.ECONNRESET) {
		err = errGone
	}
	if s.note == "" || !errors.Is(err, errGone) && !errors.Is(err, errGaveUp) {
		return err
	}
	return &quote{words: s.note, cause: err}
}

// A quote is a failure in the successor's own words.
type quote struct {
	words string
	cause error
}

func (q *quote) Error() string { return q.words }
func (q *quote) Unwrap() error { return q.cause }

// bury makes sure that a successor that failed is gone, and says how it went.
// A process that will neither leave nor die is left its channel, for EOF would
// tell it to serve.
func (s *successor) bury(err error) error {
	re := &RestartError{Phase: s.phase, Err: err}
	if s.proc == nil {
		return re
	}
	re.PID = s.pid
	s.conn.SetDeadline(time.Now().Add(abortGrace))
	if !errors.Is(err, errGone) {
		_ = s.conn.Send(wire.TypeAbort, wire.Abort{Reason: clip(err.Error())}) // it may be gone
	}
	if !errors.Is(err, errGone) && !errors.Is(err, errGaveUp) {
		s.signal(syscall.SIGTERM)
	}
	if !s.gone(abortGrace) {
		s.signal(syscall.SIGKILL)
		if !s.gone(killGrace) {
			s.log.Error("restart: a successor that failed cannot be killed", "pid", s.pid)
			return re
		}
	}
	s.conn.Close()
	re.Exit = s.proc.release()
	re.Stderr = s.tail.String()
	return re
}

// leave lets go of a successor that serves.
func (s *successor) leave() {
	s.courier.leave()
	s.proc.release()
}

// signal reaches both the process that was spawned and, under a wrapper, the
// one that spoke.
func (s *successor) signal(sig syscall.Signal) {
	s.proc.signal(sig)
	if s.pid != s.proc.pid() {
		s.pass(sig)
	}
}

// pass sends a signal to the process that spoke, not to its wrapper.
func (s *successor) pass(sig syscall.Signal) {
	if s.pid == s.proc.pid() {
		s.proc.signal(sig)
		return
	}
	if p, err := os.FindProcess(s.pid); err == nil {
		_ = p.Signal(sig) // it may be gone
		p.Release()
	}
}

// gone waits until the other end of the channel is closed and the process has
// ended.
func (s *successor) gone(within time.Duration) bool {
	bound := time.Now().Add(within)
	s.conn.SetDeadline(bound)
	for {
		_, files, err := s.conn.Recv()
		channel.CloseAll(files)
		if errors.Is(err, os.ErrDeadlineExceeded) {
			return false
		}
		if errors.Is(err, io.EOF) || errors.Is(err, os.ErrClosed) {
			break
		}
	}
	return s.proc.wait(time.Until(bound))
}
