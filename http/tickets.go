package restarthttp

import (
	"crypto/rand"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"sync"
	"time"
)

// How long a ticket key encrypts, and how long it decrypts: what crypto/tls
// does with keys of its own, and the bound of RFC 8446, 4.6.1.
const (
	ticketRotation = 24 * time.Hour
	ticketLifetime = 7 * 24 * time.Hour
)

// tickets holds the keys of TLS session tickets, so that a client can resume
// its session with the successor: crypto/tls makes keys anew in every process,
// and a restart would make every client do a full handshake at once. They go
// from process to process in memory only, and are rotated as crypto/tls does.
// The zero value has no keys yet and makes them when they are needed.
type tickets struct {
	mu     sync.Mutex
	keys   []ticketKey // newest first
	sealer tls.Config  // does the cryptography with keys
}

type ticketKey struct {
	Key     [32]byte  `json:"key"`
	Created time.Time `json:"created"`
}

// configWithKeys returns a copy of c that uses the keys, as does what its
// GetConfigForClient returns. It is a copy because another server may have the same
// c. A nil c is an empty one.
func (t *tickets) configWithKeys(c *tls.Config) *tls.Config {
	if c == nil {
		c = new(tls.Config)
	}
	c = c.Clone()
	t.installIn(c)
	if get := c.GetConfigForClient; get != nil {
		c.GetConfigForClient = func(hello *tls.ClientHelloInfo) (*tls.Config, error) {
			own, err := get(hello)
			if own == nil || err != nil {
				return own, err
			}
			own = own.Clone() // it is the program's
			t.installIn(own)
			return own, nil
		}
	}
	return c
}

// installIn makes c use the keys, unless the program has decided about tickets.
func (t *tickets) installIn(c *tls.Config) {
	if c.SessionTicketsDisabled || c.WrapSession != nil || c.UnwrapSession != nil || hasKeys(c) {
		return
	}
	c.WrapSession = func(cs tls.ConnectionState, ss *tls.SessionState) ([]byte, error) {
		if err := t.rotate(); err != nil {
			return nil, err
		}
		return t.sealer.EncryptTicket(cs, ss)
	}
	c.UnwrapSession = func(identity []byte, cs tls.ConnectionState) (*tls.SessionState, error) {
		if err := t.rotate(); err != nil {
			return nil, err
		}
		return t.sealer.DecryptTicket(identity, cs)
	}
}

// hasKeys reports whether the program has set ticket keys, as it does to share
// them with other machines. They cannot be asked for, but copies of c have them
// in common, while crypto/tls makes keys of its own for each.
func hasKeys(c *tls.Config) bool {
	some, err := tls.ParseSessionState(anySession)
	if err != nil {
		return false
	}
	ticket, err := c.Clone().EncryptTicket(tls.ConnectionState{}, some)
	if err != nil {
		return false
	}
	ss, err := c.Clone().DecryptTicket(ticket, tls.ConnectionState{})
	return ss != nil && err == nil
}

// anySession is the shortest session of a server in the encoding of crypto/tls,
// which says that other versions of Go read it too: TLS 1.3, a secret of one
// byte, no certificates.
var anySession = []byte{
	3, 4, // version
	1,          // server
	0x13, 0x01, // cipher suite
	0, 0, 0, 0, 0, 0, 0, 0, // created
	1, 1, // secret
	0, 0, 0, // extra
	0, 0, // extended master secret, early data
	0, 0, 0, // certificates
	0, 0, 0, // verified chains
}

// rotate makes a new key when the newest has served its time, and forgets
// those that are too old.
func (t *tickets) rotate() error {
	t.mu.Lock()
	defer t.mu.Unlock()
	now := time.Now()
	if len(t.keys) > 0 && now.Sub(t.keys[0].Created) < ticketRotation {
		return nil
	}
	key := ticketKey{Created: now}
	if _, err := rand.Read(key.Key[:]); err != nil {
		return err
	}
	t.keepLocked(append([]ticketKey{key}, t.keys...))
	return nil
}

// keepLocked takes those of keys that are not too old.
func (t *tickets) keepLocked(keys []ticketKey) {
	t.keys = nil
	var raw [][32]byte
	for _, k := range keys {
		if age := time.Since(k.Created); age >= -ticketRotation && age < ticketLifetime {
			t.keys = append(t.keys, k)
			raw = append(raw, k.Key)
		}
	}
	if len(raw) > 0 {
		t.sealer.SetSessionTicketKeys(raw)
	}
}

// ticketState is what a predecessor leaves. Fields may be added.
type ticketState struct {
	Keys []ticketKey `json:"keys"`
}

func (t *tickets) state() ([]byte, error) {
	if err := t.rotate(); err != nil {
		return nil, fmt.Errorf("restart/http: make a session ticket key: %w", err)
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	return json.Marshal(ticketState{t.keys})
}

// restore takes the keys of the predecessor.
func (t *tickets) restore(state []byte) error {
	var s ticketState
	if err := json.Unmarshal(state, &s); err != nil {
		return fmt.Errorf("decode session ticket keys: %w", err)
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.keepLocked(s.Keys)
	return nil
}

// State implements [restart.Stateful]: the successor gets the keys of the TLS
// session tickets, so that clients can resume their sessions there.
func (s *Server) State() ([]byte, error) {
	if !s.speaksTLS() {
		return nil, nil
	}
	return s.tickets.state()
}

// Restore implements [restart.Stateful]: it takes over the predecessor's keys of TLS
// session tickets. A state that it does not understand is logged and no error:
// without the keys, clients only have to do a full handshake.
func (s *Server) Restore(state []byte) error {
	if !s.speaksTLS() || len(state) == 0 {
		return nil
	}
	if err := s.tickets.restore(state); err != nil {
		s.logger().Warn("restart/http: session tickets of the predecessor cannot be used", "error", err)
	}
	return nil
}
