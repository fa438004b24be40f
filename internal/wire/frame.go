// Package wire encodes and decodes what two generations say to each other.
//
// It is pure: no sockets, no clocks, no globals. docs/protocol.md describes
// the bytes for somebody who has only those. The rules that let binaries
// built with different versions of this library replace each other:
//
//   - A frame whose magic or major version differs is refused.
//   - A frame of an unknown type is skipped by the reader ([Type.Known]).
//   - An unknown field of a payload is ignored, a missing one is its zero.
package wire

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
)

const (
	// Version is the major version. It changes only when an older reader would
	// misunderstand, not merely miss, what a newer writer says.
	Version = 1

	// MaxFrame bounds a frame, header included. It stays well below the
	// smallest send buffer that Linux gives a socket by default (208 KiB), so
	// that a frame is always sent whole there.
	MaxFrame = 64 << 10

	// MaxFiles bounds the descriptors that travel with one frame. The kernel's
	// bound is 253 (SCM_MAX_FD, unix(7)).
	MaxFiles = 250

	// HeaderSize is the size of what Size wants to see.
	HeaderSize = 12
)

var magic = [4]byte{'R', 'S', 'T', 'T'}

// What Parse refuses.
var (
	ErrMagic     = errors.New("not a restart channel (wrong magic)")
	ErrVersion   = errors.New("unsupported protocol version")
	ErrTruncated = errors.New("truncated frame")
	ErrTooLarge  = errors.New("frame too large")
)

// A Type says what a frame means. The numbers are part of the protocol: they
// are never reused.
type Type uint16

// The types of a frame. P: sent by the predecessor, S: by the successor.
const (
	TypeHello     Type = 1  // P: who is speaking
	TypeFiles     Type = 2  // P: named descriptors
	TypeState     Type = 3  // P: a piece of a Stateful service's bytes
	TypeStart     Type = 4  // P: that was all you inherit
	TypeNote      Type = 5  // S: words to quote if I should die
	TypeReady     Type = 6  // S: every listener is served, none accepts yet
	TypeCommit    Type = 7  // P: take the PID file
	TypeCommitted Type = 8  // S: taken
	TypeGo        Type = 9  // P: accept
	TypeServing   Type = 10 // S: accepting
	TypeFailed    Type = 11 // S: I give up, and why; after Serving: I adopt nothing more
	TypeAbort     Type = 12 // P: I give up on you: exit
	TypeConns     Type = 13 // P: live connections, one descriptor each
	TypeAdopted   Type = 14 // S: what became of them
	TypeSource    Type = 15 // P: one descriptor, a channel on which Conns come
	TypeClaims    Type = 16 // S: listeners I took and what they adopt, as far as Ready has no room for it
	TypeLastState Type = 17 // P: what a Stateful service has changed since State
	TypeProgress  Type = 18 // P: how far my drain is
	TypeHammer    Type = 19 // S: end your drain
	TypeGiveBack  Type = 20 // S, on probation: serve again
	TypeConfirm   Type = 21 // S, on probation: let go of me
	TypeConfirmed Type = 22 // P: the probation is over
	TypeReceiving Type = 23 // S: my end is the end of this channel, or is not any more
)

var typeNames = map[Type]string{
	TypeHello: "hello", TypeFiles: "files", TypeState: "state", TypeStart: "start",
	TypeNote: "note", TypeReady: "ready", TypeCommit: "commit", TypeCommitted: "committed",
	TypeGo: "go", TypeServing: "serving", TypeFailed: "failed", TypeAbort: "abort",
	TypeConns: "conns", TypeAdopted: "adopted", TypeSource: "source",
	TypeClaims: "claims", TypeLastState: "last state",
	TypeProgress: "progress", TypeHammer: "hammer",
	TypeGiveBack: "give back", TypeConfirm: "confirm", TypeConfirmed: "confirmed",
	TypeReceiving: "receiving",
}

// Known reports whether this version of the protocol defines t.
func (t Type) Known() bool { _, ok := typeNames[t]; return ok }

func (t Type) String() string {
	if name, ok := typeNames[t]; ok {
		return name
	}
	return fmt.Sprintf("type %d", uint16(t))
}

// A Frame is one message. Its payload aliases the bytes given to Parse.
type Frame struct {
	Type    Type
	Payload []byte
}

// Append encodes a frame of type t with payload v and appends it to b. The
// error wraps ErrTooLarge if it would exceed MaxFrame.
func Append(b []byte, t Type, v any) ([]byte, error) {
	payload, err := json.Marshal(v)
	if err != nil {
		return b, fmt.Errorf("encode %v: %w", t, err)
	}
	if HeaderSize+len(payload) > MaxFrame {
		return b, fmt.Errorf("encode %v: %d bytes of payload: %w", t, len(payload), ErrTooLarge)
	}
	b = append(b, magic[:]...)
	b = binary.BigEndian.AppendUint16(b, Version)
	b = binary.BigEndian.AppendUint16(b, uint16(t))
	b = binary.BigEndian.AppendUint32(b, uint32(len(payload)))
	return append(b, payload...), nil
}

// Size returns the size of the frame, header included, that begins with header.
// On a stream it says where the next one begins.
func Size(header []byte) (int, error) {
	if err := check(header); err != nil {
		return 0, err
	}
	n := binary.BigEndian.Uint32(header[8:])
	if n > MaxFrame-HeaderSize {
		return 0, ErrTooLarge
	}
	return HeaderSize + int(n), nil
}

// check checks magic and version, which every version has in these places.
func check(b []byte) error {
	if len(b) < HeaderSize {
		return fmt.Errorf("%d bytes: %w", len(b), ErrTruncated)
	}
	if [4]byte(b[:4]) != magic {
		return ErrMagic
	}
	if v := binary.BigEndian.Uint16(b[4:]); v != Version {
		return fmt.Errorf("the other side speaks %d, this side %d: %w", v, Version, ErrVersion)
	}
	return nil
}

// Parse decodes the one frame that b holds.
func Parse(b []byte) (Frame, error) {
	if len(b) > MaxFrame {
		return Frame{}, ErrTooLarge
	}
	if err := check(b); err != nil {
		return Frame{}, err
	}
	t := Type(binary.BigEndian.Uint16(b[6:]))
	payload := b[HeaderSize:]
	if n := binary.BigEndian.Uint32(b[8:]); uint64(n) != uint64(len(payload)) {
		return Frame{}, fmt.Errorf("%v: %d bytes announced, %d received: %w", t, n, len(payload), ErrTruncated)
	}
	return Frame{Type: t, Payload: payload}, nil
}

// Decode decodes the frame's payload into v, a pointer to the message struct
// of its type, and checks it where that type has rules.
func (f Frame) Decode(v any) error {
	if err := json.Unmarshal(f.Payload, v); err != nil {
		return fmt.Errorf("decode %v: %w", f.Type, err)
	}
	if c, ok := v.(interface{ check() error }); ok {
		if err := c.check(); err != nil {
			return fmt.Errorf("decode %v: %w", f.Type, err)
		}
	}
	return nil
}
