// Package tlstap follows a TLS connection that crypto/tls serves, from below: a
// Tap sees all bytes that crypto/tls reads and writes, and counts records. With
// the secrets from a key log it finds out, when the connection is to move, in
// which state crypto/tls must be, and proves it. It asks nothing of crypto/tls
// but what a client could see. What it cannot prove, it does not claim.
package tlstap

import (
	"bytes"
	"errors"
	"sync"

	"example.com/restart/internal/tlskeylog"
	"example.com/restart/internal/tlsrec"
)

// Why a connection cannot move.
var (
	ErrDropped   = errors.New("tlstap: the connection is not followed any more")
	ErrNoSecrets = errors.New("tlstap: the secrets of the connection are not known")
	ErrUnderway  = errors.New("tlstap: a record is under way")
	ErrUnproved  = errors.New("tlstap: a record does not fit: the keys were changed")
	ErrNotData   = errors.New("tlstap: the newest record is not application data")
)

// keptBuffer is how much of a large record's buffer is kept while a connection
// is idle.
const keptBuffer = 2 << 10

// A Tap follows one connection. Its methods may be called by several goroutines.
type Tap struct {
	log *tlskeylog.Log

	mu      sync.Mutex
	dropped bool
	in, out scanner
	hellos  hellos
	newest  []byte // the newest record that came in, as far as it has come

	served   bool   // Mark was called
	answered uint64 // in.since at that time

	// The newest record that went out and is as long as a KeyUpdate of TLS 1.3,
	// and its number among those that look like application data.
	small   [tlsrec.HeaderLen + keyUpdateLen + tlsrec.Overhead13]byte
	smallAt uint64

	secrets secrets
}

const keyUpdateLen = 5

// secrets are what the key log says. They are in place, so that no copies are
// left behind.
type secrets struct {
	clientHandshake, client, server, master secret
	all                                     bool // the log will say no more
}

type secret struct {
	b [48]byte
	n int
}

func (s *secret) set(b []byte)  { s.n = copy(s.b[:], b) }
func (s *secret) bytes() []byte { return s.b[:s.n] }
func (s *secret) known() bool   { return s.n > 0 }

// New returns the Tap of a connection from which nothing has been read yet. It
// waits in log for the secrets.
func New(log *tlskeylog.Log) *Tap { return &Tap{log: log} }

// In is to be called with all that was read, in order.
func (t *Tap) In(b []byte) {
	if t.follow(b) {
		// Not under the lock: the log calls Learn.
		t.log.Follow(t.hellos.clientRandom(), t)
	}
}

// follow reports whether b has made the client's random value known, which then
// stays as it is.
func (t *Tap) follow(b []byte) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.dropped {
		return false
	}
	if begins := t.in.scan(b); begins >= 0 {
		t.newest = append(t.newest[:0], b[begins:]...)
	} else {
		t.newest = append(t.newest, b...)
	}
	return t.hellos.in(b)
}

// Out is to be called with all that was written, in order.
func (t *Tap) Out(b []byte) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.dropped {
		return
	}
	t.out.scan(b)
	if len(b) == len(t.small) && tlsrec.Type(b[0]) == tlsrec.TypeData && t.secrets.client.known() && t.out.whole() {
		t.small, t.smallAt = [len(t.small)]byte(b), t.out.data
	}
	t.hellos.out(b)
}

// Missing returns how many bytes of the newest record are yet to be read, at least:
// 0 if that is whole.
func (t *Tap) Missing() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.in.missing()
}

// Learn implements [tlskeylog.Follower].
func (t *Tap) Learn(label string, s []byte) (last bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.dropped {
		return true
	}
	switch label {
	case tlskeylog.ClientHandshake:
		t.secrets.clientHandshake.set(s)
	case tlskeylog.ClientTraffic:
		t.secrets.client.set(s)
	case tlskeylog.ServerTraffic:
		t.secrets.server.set(s)
		t.secrets.all = true
	case tlskeylog.Master:
		t.secrets.master.set(s)
		t.secrets.all = true
	}
	return t.secrets.all
}

// Mark notes that all that has come is answered: what comes now is new, see
// Quiet.
func (t *Tap) Mark() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.served, t.answered = true, t.in.since
	t.secrets.clientHandshake = secret{}
	if cap(t.newest) > keptBuffer && len(t.newest) <= keptBuffer {
		t.newest = bytes.Clone(t.newest) // the wait may be long
	}
}

// Drop forgets the connection, which does not move any more.
func (t *Tap) Drop() {
	t.mu.Lock()
	followed := !t.dropped && t.hellos.knowsRandom() && !t.secrets.all
	r := t.hellos.clientRandom()
	t.dropped = true
	clear(t.newest)
	t.newest = nil
	t.secrets = secrets{}
	t.mu.Unlock()
	if followed {
		t.log.Forget(r, t)
	}
}
