package tlstap

import (
	"bytes"
	"crypto/tls"

	"example.com/restart/internal/tlsrec"
)

// maxHandshakeRecords bounds the search for the number of a record in TLS 1.3: so
// many records of the handshake may look like application data from outside.
const maxHandshakeRecords = 24

// halvesLocked returns both directions as the handshake has left them, with numbers
// that are zero. The secrets are not copied.
func (t *Tap) halvesLocked(s *tlsrec.Suite) (in, out tlsrec.Half, err error) {
	k := &t.secrets
	if s.Version == tls.VersionTLS13 {
		if !k.client.known() || !k.server.known() {
			return in, out, ErrNoSecrets
		}
		return tlsrec.Half{Secret: k.client.bytes()}, tlsrec.Half{Secret: k.server.bytes()}, nil
	}
	if !k.master.known() {
		return in, out, ErrNoSecrets // crypto/tls says nothing of a resumed session
	}
	r := t.hellos.clientRandom()
	return s.First(k.master.bytes(), r[:], t.hellos.serverRandom())
}

// A keyed holds what a proof needs.
type keyed struct {
	suite   *tlsrec.Suite
	in, out tlsrec.Half
	opener  *tlsrec.Cipher // of in
}

// keyedLocked fails unless all secrets are known.
func (t *Tap) keyedLocked() (*keyed, error) {
	switch {
	case t.dropped:
		return nil, ErrDropped
	case !t.secrets.all:
		return nil, ErrNoSecrets
	}
	s, err := t.hellos.suite()
	if err != nil {
		return nil, err
	}
	k := &keyed{suite: s}
	if k.in, k.out, err = t.halvesLocked(s); err != nil {
		return nil, err
	}
	k.opener, err = tlsrec.NewCipher(s, k.in)
	return k, err
}

// keyedWholeLocked fails also if the client's last record is not whole.
func (t *Tap) keyedWholeLocked() (*keyed, error) {
	k, err := t.keyedLocked()
	if err == nil && !t.in.whole() {
		return nil, ErrUnderway
	}
	return k, err
}

// Quiet reports whether the client waits for nothing: all that has come since
// Mark is an empty line, or, before the first Mark, the handshake is over and
// nothing has come after it. An error says that the connection can never move.
func (t *Tap) Quiet() (bool, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	k, err := t.keyedWholeLocked()
	switch {
	case err == ErrUnderway, err == ErrNoSecrets && !t.served:
		return false, nil // the handshake may be under way
	case err != nil:
		return false, err
	case !t.served:
		return t.handshakeOverLocked(k), nil
	}
	seq, err := t.nextInLocked(k)
	if err != nil {
		return false, err
	}
	if t.in.since == t.answered {
		return true, nil
	}
	if t.in.since != t.answered+1 || seq == 0 {
		return false, nil
	}
	plain, _, err := k.opener.OpenAt(seq-1, nil, t.newest)
	return err == nil && len(bytes.Trim(plain, "\r\n")) == 0, nil
}

func (t *Tap) handshakeOverLocked(k *keyed) bool {
	if k.suite.Version == tls.VersionTLS13 {
		return t.finishedIsNewestLocked(k.suite)
	}
	if t.in.since != 1 || !t.out.changed || !t.out.whole() {
		return false
	}
	_, err := t.nextInLocked(k)
	return err == nil
}

// nextInLocked finds the number of the client's next record. The newest one must
// be application data and open under the first secret of the connection: that
// excludes a KeyUpdate, after which nothing opens under it.
func (t *Tap) nextInLocked(k *keyed) (uint64, error) {
	if len(t.newest) < tlsrec.HeaderLen {
		return 0, ErrUnproved
	}
	scratch := make([]byte, 0, len(t.newest))
	if k.suite.Version == tls.VersionTLS12 {
		if !t.in.changed || t.in.since == 0 {
			return 0, ErrUnproved
		}
		_, typ, err := k.opener.OpenAt(t.in.since-1, scratch, t.newest)
		isFinished := typ == tlsrec.TypeHandshake && t.in.since == 1
		switch {
		case err != nil:
			return 0, ErrUnproved
		case typ == tlsrec.TypeData || isFinished:
			return t.in.since, nil
		}
		return 0, ErrNotData
	}
	for h := uint64(1); h <= maxHandshakeRecords && h < t.in.data; h++ {
		seq := t.in.data - h - 1
		if _, typ, err := k.opener.OpenAt(seq, scratch, t.newest); err == nil {
			if typ != tlsrec.TypeData {
				return 0, ErrNotData
			}
			return seq + 1, nil
		}
	}
	if t.finishedIsNewestLocked(k.suite) {
		return 0, nil
	}
	return 0, ErrUnproved
}

// finishedIsNewestLocked reports whether the newest record ends with the client's
// Finished in TLS 1.3. After Mark its secret is not known any more.
func (t *Tap) finishedIsNewestLocked(s *tlsrec.Suite) bool {
	if t.in.data == 0 || t.in.data > maxHandshakeRecords {
		return false
	}
	c, err := tlsrec.NewCipher(s, tlsrec.Half{Secret: t.secrets.clientHandshake.bytes()})
	if err != nil {
		return false
	}
	plain, typ, err := c.OpenAt(t.in.data-1, nil, t.newest)
	size := 4 + s.HashLen()
	return err == nil && typ == tlsrec.TypeHandshake && len(plain) >= size && plain[len(plain)-size] == finished
}

// neverUpdatedLocked proves that crypto/tls has not changed the secret of what
// it writes. Today it does so only in answer to a KeyUpdate, and none has come.
// If a future one did so by itself, Export would find out, but too late.
func (t *Tap) neverUpdatedLocked(k *keyed) error {
	if t.smallAt == 0 || k.suite.Version != tls.VersionTLS13 {
		return nil
	}
	c, err := tlsrec.NewCipher(k.suite, k.out)
	if err != nil {
		return err
	}
	for h := uint64(0); h <= maxHandshakeRecords && h < t.smallAt; h++ {
		if _, typ, err := c.OpenAt(t.smallAt-1-h, nil, t.small[:]); err == nil {
			if typ != tlsrec.TypeData {
				return ErrUnproved
			}
			return nil
		}
	}
	return ErrUnproved
}
