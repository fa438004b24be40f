package handshake

import (
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strconv"
	"sync/atomic"
	"syscall"

	"example.com/restart/internal/channel"
	"example.com/restart/internal/spawn"
	"example.com/restart/internal/wire"
)

// Why Follow ends, apart from messages that cannot be understood.
var (
	// ErrOrphaned says that the predecessor died. Nobody else serves.
	ErrOrphaned = errors.New("the predecessor died")

	// ErrAborted says that the predecessor gave up on this process, and serves.
	ErrAborted = errors.New("the predecessor gave up on this process")

	// ErrDeclined says that this process is not to take over any more.
	ErrDeclined = errors.New("this process is ending")
)

// A Follower is the successor's end of the handshake. Note, Ready and Fail may
// be called by any goroutine.
type Follower struct {
	Manifest // what the predecessor has left

	Conn *channel.Conn

	ready atomic.Bool // Ready was called
}

// Claims says which of the inherited sockets a successor took, by the names that the
// predecessor has for them, and which connections their services adopt.
type Claims struct {
	Claimed []string            // the sockets
	Adopts  []string            // those whose service adopts plain connections
	Kinds   map[string][]string // the other kinds of connections that it adopts
}

// add adds what one of several messages says.
func (c *Claims) add(claimed, adopts []string, kinds map[string][]string) {
	c.Claimed, c.Adopts = append(c.Claimed, claimed...), append(c.Adopts, adopts...)
	if c.Kinds == nil {
		c.Kinds = make(map[string][]string)
	}
	maps.Copy(c.Kinds, kinds)
}

// Steps are what the successor does when the predecessor says so.
type Steps struct {
	// Commit writes the PID file. An error gives up the restart.
	Commit func() error

	// TakeOver makes the services accept. again says that a restart was asked
	// for during this one, probation that the predecessor does not let go yet. If
	// TakeOver reports false, this process is ending and has told the predecessor
	// so by Fail.
	TakeOver func(again, probation bool) bool
}

// Inherited opens the channel that the environment names, and removes the name:
// no process that this one starts may take itself for a successor. Inherited
// returns nil on a cold start.
//
// The channel is not made close-on-exec earlier, when this package is initialized: a
// program that executes itself anew before New, or that is its own wrapper, would lose
// it.
func Inherited() (*channel.Conn, error) {
	v, ok := os.LookupEnv(spawn.ChannelVar)
	if !ok {
		return nil, nil
	}
	if err := os.Unsetenv(spawn.ChannelVar); err != nil {
		return nil, err
	}
	fd, err := strconv.Atoi(v)
	if err != nil || fd < 3 || fd > 1<<20 {
		return nil, errStray(v, errors.New("that is not the number of a descriptor"))
	}
	c, err := channel.Inherited(fd)
	if err != nil {
		return nil, errStray(v, err)
	}
	return c, nil
}

func errStray(v string, err error) error {
	return fmt.Errorf("the environment says %s=%.20q, but %w: only a restart sets the variable; start the program without it", spawn.ChannelVar, v, err)
}

// Meet checks who is at the other end of conn and receives the manifest. It
// takes conn.
func Meet(conn *channel.Conn) (*Follower, error) {
	f := &Follower{Conn: conn}
	if err := f.receive(conn); err != nil {
		f.closeFiles()
		conn.Close()
		return nil, fmt.Errorf("inherit from the predecessor: %w", err)
	}
	return f, nil
}

// Follow does what the predecessor says, until this process has taken over, and
// returns nil then. The predecessor sends connections on Conn afterwards.
func (f *Follower) Follow(steps Steps) error {
	if err := f.await(wire.TypeCommit, nil); err != nil {
		return err
	}
	if !f.ready.Load() {
		return errors.New("invalid message from predecessor: commit before ready")
	}
	if err := steps.Commit(); err != nil {
		return err
	}
	if err := f.say(wire.TypeCommitted, wire.Committed{}); err != nil {
		return err
	}
	var msg wire.Go
	if err := f.await(wire.TypeGo, &msg); err != nil {
		return err
	}
	if !steps.TakeOver(msg.Again, msg.Probation) {
		return ErrDeclined
	}
	return f.say(wire.TypeServing, wire.Serving{})
}

// await waits for a message of type want.
func (f *Follower) await(want wire.Type, v any) error {
	frame, fds, err := f.Conn.RecvRaw()
	channel.CloseRaw(fds)
	switch {
	case errors.Is(err, io.EOF):
		return ErrOrphaned
	case err != nil:
		return fmt.Errorf("invalid message from predecessor: %w", err)
	case frame.Type == wire.TypeAbort:
		return aborted(frame)
	case frame.Type != want:
		return fmt.Errorf("invalid message from predecessor: got %v, want %v", frame.Type, want)
	case v == nil:
		return nil
	}
	return frame.Decode(v)
}

func aborted(f wire.Frame) error {
	var msg wire.Abort
	_ = f.Decode(&msg) // the words are all that could be missing
	return fmt.Errorf("%w: %s", ErrAborted, msg.Reason)
}

// Ready says that every service is ready to accept. After an error the predecessor
// does not know.
func (f *Follower) Ready(c Claims) error {
	f.ready.Store(true)
	for names := slices.Sorted(maps.Keys(c.Kinds)); len(names) > 0; {
		kinds := make(map[string][]string)
		for _, name := range cut(&names, kindsAtOnce) {
			kinds[name] = c.Kinds[name]
		}
		if err := f.say(wire.TypeClaims, wire.Claims{Kinds: kinds}); err != nil {
			return err
		}
	}
	for len(c.Claimed) > namesAtOnce || len(c.Adopts) > namesAtOnce {
		some := wire.Claims{Claimed: cut(&c.Claimed, namesAtOnce), Adopts: cut(&c.Adopts, namesAtOnce)}
		if err := f.say(wire.TypeClaims, some); err != nil {
			return err
		}
	}
	return f.say(wire.TypeReady, wire.Ready{PID: os.Getpid(), Claimed: c.Claimed, Adopts: c.Adopts, Probation: true})
}

const (
	// namesAtOnce names of at most 255 bytes, written with escapes at worst, fit
	// a frame twice.
	namesAtOnce = 20

	// kindsAtOnce names, with MaxKinds kinds of MaxKind bytes each, fit a frame.
	kindsAtOnce = 7

	// MaxKinds and MaxKind bound what a successor says of one listener.
	MaxKinds = 16
	MaxKind  = 64
)

// cut cuts the first n names off.
func cut(names *[]string, n int) []string {
	n = min(len(*names), n)
	first := (*names)[:n]
	*names = (*names)[n:]
	return first
}

// Note leaves words for the predecessor to quote should this process die before
// it is ready.
func (f *Follower) Note(err error) { f.tell(wire.TypeNote, wire.Note{Text: wire.Clip(err.Error())}) }

// Fail tells the predecessor that this process gives up.
func (f *Follower) Fail(err error) { f.tell(wire.TypeFailed, wire.Note{Text: wire.Clip(err.Error())}) }

// say sends a message for which the predecessor waits. That it is gone is no error:
// it shows as end of file.
func (f *Follower) say(t wire.Type, v any) error {
	err := f.Conn.Send(t, v)
	if errors.Is(err, syscall.EPIPE) || errors.Is(err, syscall.ECONNRESET) {
		return nil
	}
	return err
}

// tell sends a message that may be lost.
func (f *Follower) tell(t wire.Type, v any) { _ = f.Conn.Send(t, v) }

// Close gives up what is left of the manifest, except for the sockets: those
// are their claimers'.
func (f *Follower) Close() {
	f.Conn.Close()
	f.Sockets = nil
	f.closeFiles()
}
