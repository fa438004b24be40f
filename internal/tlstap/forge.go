package tlstap

import (
	"bytes"
	"crypto/tls"
	"fmt"

	"example.com/restart/internal/tlsrec"
)

// A Proof is what protects the next records, as far as that is known without
// crypto/tls.
type Proof struct {
	suite   *tlsrec.Suite
	in, out tlsrec.Half // the number of out is not known yet
}

// A Forged is a record that the client has not sent. It never leaves this
// process: crypto/tls reads it.
type Forged struct {
	Record []byte
	Proof  // of what protects Record, and the one that will be next instead
}

// Forge proves what protects the client's next record, and makes that record,
// with plain in it. crypto/tls must be waiting for it: it has asked for more
// bytes and got none. After an error nothing has changed.
func (t *Tap) Forge(plain []byte) (*Forged, error) {
	p, c, err := t.prove()
	if err != nil {
		return nil, err
	}
	c.SetSeq(p.in.Seq)
	record, err := c.Seal(nil, tlsrec.TypeData, plain)
	if err != nil {
		p.Wipe()
		return nil, err
	}
	return &Forged{record, *p}, nil
}

// Prove proves what protects the client's next record. crypto/tls must have asked
// for more bytes and got none, or it may have records that it has not opened.
func (t *Tap) Prove() (*Proof, error) {
	p, _, err := t.prove()
	return p, err
}

// prove is Prove. It returns also the client's Cipher.
func (t *Tap) prove() (*Proof, *tlsrec.Cipher, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	k, err := t.keyedWholeLocked()
	if err != nil {
		return nil, nil, err
	}
	if !t.out.whole() {
		return nil, nil, ErrUnderway
	}
	if k.in.Seq, err = t.nextInLocked(k); err != nil {
		return nil, nil, err
	}
	if err := t.neverUpdatedLocked(k); err != nil {
		return nil, nil, err
	}
	k.in.Secret, k.out.Secret = bytes.Clone(k.in.Secret), bytes.Clone(k.out.Secret)
	return &Proof{suite: k.suite, in: k.in, out: k.out}, k.opener, nil
}

// Export returns the state that crypto/tls was in at the time of p. notify is what
// it has written since and nobody has seen: the close_notify of its Close, whose
// number is that of the next record. Export proves that. held is how many
// records crypto/tls has written before p that nobody has seen either: they are
// counted as not written.
func (t *Tap) Export(p *Proof, notify []byte, held int) (*tlsrec.State, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.dropped {
		return nil, ErrDropped
	}
	if !t.out.whole() {
		return nil, ErrUnderway
	}
	seq, err := t.nextOutLocked(p, notify, held)
	if err != nil {
		return nil, err
	}
	p.out.Seq = seq - uint64(held)
	return &tlsrec.State{Version: p.suite.Version, Suite: p.suite.ID, In: p.in, Out: p.out}, nil
}

// nextOutLocked finds the number of notify. In TLS 1.3 some of the records that
// were counted were of the handshake.
func (t *Tap) nextOutLocked(p *Proof, notify []byte, held int) (uint64, error) {
	if len(notify) < tlsrec.HeaderLen || len(notify) != tlsrec.HeaderLen+int(notify[3])<<8+int(notify[4]) {
		return 0, fmt.Errorf("tlstap: crypto/tls has closed with %d bytes, want one record", len(notify))
	}
	c, err := tlsrec.NewCipher(p.suite, p.out)
	if err != nil {
		return 0, err
	}
	highest, lowest := t.nextOutBoundsLocked(p.suite)
	for seq := highest + uint64(held); ; seq-- {
		plain, typ, err := c.OpenAt(seq, nil, notify)
		switch {
		case err == nil && typ == tlsrec.TypeAlert && tlsrec.IsCloseNotify(plain):
			return seq, nil
		case err == nil:
			return 0, ErrNotData
		case seq == lowest+uint64(held):
			return 0, ErrUnproved
		}
	}
}

// nextOutBoundsLocked returns between which numbers that of the next record is.
func (t *Tap) nextOutBoundsLocked(s *tlsrec.Suite) (highest, lowest uint64) {
	if s.Version == tls.VersionTLS12 {
		return t.out.since, t.out.since
	}
	return t.out.data, t.out.data - min(t.out.data, maxHandshakeRecords)
}

// Wipe overwrites the secrets of p, and with them those of the State that Export
// has made of it.
func (p *Proof) Wipe() {
	for _, h := range []tlsrec.Half{p.in, p.out} {
		clear(h.Secret)
		clear(h.Key)
		clear(h.IV)
	}
}
