package wire

import (
	"fmt"
	"time"
)

// Hello opens the channel.
type Hello struct {
	PID        int `json:"pid"`        // of the predecessor; must be the socket's peer
	Generation int `json:"generation"` // of the predecessor, from 1
}

func (h *Hello) check() error {
	if h.PID <= 0 || h.Generation <= 0 {
		return fmt.Errorf("pid %d, generation %d: both must be positive", h.PID, h.Generation)
	}
	return nil
}

// A Kind says what a descriptor is for. A reader closes those it does not
// know.
type Kind string

// The kinds of descriptors in a Files message.
const (
	KindListener Kind = "listener" // a listening stream socket
	KindPacket   Kind = "packet"   // a bound datagram socket
	KindLifeline Kind = "lifeline" // read end of a pipe: EOF when its owner is gone
	KindStderr   Kind = "stderr"   // where standard error goes from "go" on
	KindRelay    Kind = "relay"    // read end of what standard error is until then
)

// A File describes one descriptor.
type File struct {
	Kind Kind `json:"kind"`

	// Sockets.
	Name    string `json:"name,omitempty"`
	Network string `json:"network,omitempty"` // as given to Add
	Address string `json:"address,omitempty"` // as given to Add
	Local   string `json:"local,omitempty"`   // what it is bound to

	// Identity of a Unix socket's file, so that nobody unlinks another's.
	Path string `json:"path,omitempty"` // absolute; "" if it has none
	Dev  uint64 `json:"dev,omitempty"`
	Ino  uint64 `json:"ino,omitempty"`
	Made int64  `json:"made,omitempty"` // in nanoseconds since 1970; 0, from an older sender: not known

	// Lifelines.
	PID        int       `json:"pid,omitempty"`
	Generation int       `json:"generation,omitempty"`
	Version    string    `json:"version,omitempty"` // of the program
	Since      time.Time `json:"since,omitzero"`    // when it began to serve
}

// Files announces descriptors; as many travel with the frame, in this order.
type Files struct {
	Files []File `json:"files"`
}

func (m *Files) check() error {
	if len(m.Files) > MaxFiles {
		return fmt.Errorf("%d descriptors, at most %d", len(m.Files), MaxFiles)
	}
	return nil
}

// State carries a piece of the bytes that the service Name left for its
// successor. Pieces arrive in order; the last one has Last set.
type State struct {
	Name string `json:"name"`
	Data []byte `json:"data,omitempty"`
	Last bool   `json:"last,omitempty"`
}

// Start ends the inheritance.
type Start struct{}

// Clip bounds words that are quoted: a frame is bounded too.
func Clip(words string) string {
	if len(words) > 4096 {
		return words[:4096] + "…"
	}
	return words
}

// Note and Failed carry the successor's own words.
type Note struct {
	Text string `json:"text"`
}

// Claims comes before Ready, as often as it takes, with what Ready has no room
// for. The lists mean what they mean there.
type Claims struct {
	Claimed []string `json:"claimed,omitempty"`
	Adopts  []string `json:"adopts,omitempty"`

	// Kinds are the kinds of connections, beside the plainest, that the services
	// of those listeners adopt.
	Kinds map[string][]string `json:"kinds,omitempty"`
}

// Ready says which inherited sockets the successor took, by the predecessor's
// names for them, and its PID, which under a wrapper script is not the one
// that was spawned.
type Ready struct {
	PID       int      `json:"pid"`
	Claimed   []string `json:"claimed"`
	Adopts    []string `json:"adopts,omitempty"`    // of those, the ones whose service is an Adopter
	Probation bool     `json:"probation,omitempty"` // the successor knows what that is
}

func (m *Ready) check() error {
	if m.PID <= 0 {
		return fmt.Errorf("pid %d", m.PID)
	}
	return nil
}

// Commit, Committed, Serving and Abort need no words of their own; Abort may
// say why.
type (
	Commit    struct{}
	Committed struct{}
	Serving   struct{}
	Abort     struct {
		Reason string `json:"reason,omitempty"`
	}
)

// Go tells the successor to accept.
type Go struct {
	// Again: a restart was asked for while this one was under way; the binary
	// on disk may be newer than the successor.
	Again bool `json:"again,omitempty"`

	// Probation: the predecessor does not let go until it says Confirmed.
	Probation bool `json:"probation,omitempty"`
}

// GiveBack asks the predecessor to serve again.
type GiveBack struct {
	Reason string `json:"reason,omitempty"`
}

// Confirm asks for the end of the probation, Confirmed says that it has ended.
type (
	Confirm   struct{}
	Confirmed struct{}
)

// Conns hands live connections over, one descriptor each, in this order.
type Conns struct {
	Batch uint64 `json:"batch"`
	Conns []Conn `json:"conns"`
}

// A Conn belongs to the service Name.
type Conn struct {
	Name  string `json:"name"`
	State []byte `json:"state,omitempty"`
}

func (m *Conns) check() error {
	if len(m.Conns) > MaxFiles {
		return fmt.Errorf("%d connections, at most %d", len(m.Conns), MaxFiles)
	}
	return nil
}

// Source passes on the channel to an earlier generation that still drains. What
// it has left to hand over comes, and is answered, there.
type Source struct {
	// Names are the sender's names for the listeners, by those that the earlier
	// generation uses. A name that is missing is that of a listener that was
	// dropped meanwhile. Nil, from an older sender: they are the same.
	Names map[string]string `json:"names"`

	// Progress is what the earlier generation has told. Generation is 0 if it has
	// told nothing, Connections -1 if it has not said how many.
	Progress Progress `json:"progress,omitzero"`
}

// Adopted answers Conns: Refused holds the indexes of those that the successor
// did not take.
type Adopted struct {
	Batch   uint64 `json:"batch"`
	Refused []int  `json:"refused,omitempty"`
	Reason  string `json:"reason,omitempty"` // why the first of them was refused
}

// LastState announces one descriptor, a file in memory (memfd_create(2)) with
// Size bytes: what the service Name has changed since it gave its State.
type LastState struct {
	Name string `json:"name"`
	Size int64  `json:"size"`
}

// Progress says how far a drain is.
type Progress struct {
	Generation  int `json:"generation"`
	Connections int `json:"connections"` // that are open

	// What has become of the others so far.
	HandedOver int `json:"handed_over,omitempty"`
	Announced  int `json:"announced,omitempty"`
	Cut        int `json:"cut,omitempty"`

	Over bool `json:"over,omitempty"` // the drain has ended
}

// Receiving says that the process which sends it receives from the channel: its end
// is the end of the channel, also if a process that it has started has the
// descriptor.
type Receiving struct {
	Over bool `json:"over,omitempty"` // another process is about to receive instead
}

// Hammer asks for the end of a drain by force.
type Hammer struct{}
