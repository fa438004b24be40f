package restarthttp

import (
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"time"
)

// A mover is how connections of a server get from this process into its
// successor, and from its predecessor into this one. Its two ends run in two
// processes, with different versions of this package perhaps.
type mover interface {
	// check returns why no connection can leave this process; nil: they can.
	check() error

	// kind names what attach needs to know of the state. A mover attaches what
	// one of the same kind has detached. The successor says which it attaches, see
	// Server.AdoptedKinds.
	kind() string

	// tap returns what is to be put between the socket of a connection that was
	// accepted and who serves it: the socket itself, or a *tapped.
	tap(socket net.Conn) net.Conn

	// detach takes apart a connection that waits for a request and that net/http
	// has given up. It returns the connection of the socket and what else the
	// other end needs. After an error c is whole.
	detach(c *conn) (socket net.Conn, state []byte, err error)

	// attach makes of both what net/http can serve: in the successor or, if that
	// does not take the connection, here once more. An error leaves the socket as
	// it was: nothing was read from it or written to it.
	attach(socket net.Conn, state []byte) (net.Conn, error)
}

// moverOf returns how the connections of s move.
func moverOf(s *Server) mover {
	check := s.selfCheck
	if check == nil {
		check = selfCheck
	}
	if s.speaksTLS() {
		return tlsMoverOf(s, check)
	}
	return plainMover{buffer: check()}
}

// errNetHTTP is for a net/http that does not pass the self-check.
var errNetHTTP = errors.New("restart/http: net/http does not behave as known")

// A plainMover moves connections of HTTP/1 without TLS. They are their sockets:
// there is no state.
type plainMover struct {
	buffer int // what selfCheck returned
}

func (m plainMover) check() error {
	if m.buffer == 0 {
		return errNetHTTP
	}
	return nil
}

func (plainMover) kind() string { return "" }

func (plainMover) tap(socket net.Conn) net.Conn { return socket }

func (plainMover) detach(c *conn) (net.Conn, []byte, error) { return c.Conn, nil, nil }

func (plainMover) attach(socket net.Conn, _ []byte) (net.Conn, error) { return socket, nil }

// A moved goes with a connection, as the state of restart.Handover.Send. Its zero
// value is nil on the way, and means a plain connection that waits for a next
// request for as long as the receiver lets it. A receiver ignores fields that
// it does not know; what it must not ignore needs another kind.
type moved struct {
	Kind  string `json:"kind,omitempty"`    // of the mover
	First bool   `json:"first,omitempty"`   // no request has come yet
	Left  int64  `json:"left_ms,omitempty"` // how long the wait may go on; 0: no bound
	State []byte `json:"state,omitempty"`   // the mover's

	Kept *keptRequest `json:"kept,omitempty"` // of the kind keptKindOf: the request that is not over
}

// keptKindOf names connections that m moves and whose request is not over.
func keptKindOf(m mover) string {
	if m.kind() == "" {
		return "kept"
	}
	return m.kind() + "+kept"
}

// newMoved describes a connection that waits for such a request and has so much
// time left for it.
func newMoved(m mover, a awaits, left time.Duration, state []byte) moved {
	return moved{Kind: m.kind(), First: a == awaitsFirst, Left: left.Milliseconds(), State: state}
}

func (m moved) encode() ([]byte, error) {
	if m.Kind == "" && !m.First && m.Left == 0 && len(m.State) == 0 {
		return nil, nil
	}
	b, err := json.Marshal(m)
	if err != nil {
		return nil, fmt.Errorf("restart/http: encode the state of a connection: %w", err)
	}
	return b, nil
}

// parseMoved reads what came with a connection. It refuses what by does not
// attach.
func parseMoved(state []byte, by mover) (moved, error) {
	var m moved
	if len(state) > 0 {
		if err := json.Unmarshal(state, &m); err != nil {
			return moved{}, fmt.Errorf("restart/http: decode the state of a connection: %w", err)
		}
	}
	if m.Kept != nil && m.Kind == keptKindOf(by) {
		if m.Kept.Kind != keptWebSocket && m.Kept.Kind != keptStream {
			return moved{}, fmt.Errorf("restart/http: attach a request of unknown kind %q", m.Kept.Kind)
		}
		return m, nil
	}
	if m.Kind != by.kind() {
		return moved{}, fmt.Errorf("restart/http: attach a connection of kind %q: this server has kind %q", m.Kind, by.kind())
	}
	return m, nil
}

func (m moved) awaits() awaits {
	if m.First {
		return awaitsFirst
	}
	return awaitsNext
}

func (m moved) left() time.Duration { return time.Duration(m.Left) * time.Millisecond }
