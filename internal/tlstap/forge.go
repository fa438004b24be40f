package tlstap

import (
	"bytes"
	"crypto/tls"
	"fmt"

	"example.com/restart/internal/tlsrec"
)

// A Forged is a record that the client has not sent. It never leaves this
// process: crypto/tls reads it.
type Forged struct {
	Record []byte

	suite   *tlsrec.Suite
	in, out tlsrec.Half // before Record; the number of out is not known yet
}

// Forge proves what protects the client's next record, and makes that record,
// with plain in it. crypto/tls must be waiting for it: it has asked for more
// bytes and got none. After an error nothing has changed.
func (t *Tap) Forge(plain []byte) (*Forged, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	k, err := t.keyedLocked()
	if err != nil {
		return nil, err
	}
	if !t.out.whole() {
		return nil, ErrUnderway
	}
	if k.in.Seq, err = t.nextInLocked(k); err != nil {
		return nil, err
	}
	if err := t.neverUpdatedLocked(k); err != nil {
		return nil, err
	}
	k.opener.SetSeq(k.in.Seq)
	k.in.Secret, k.out.Secret = bytes.Clone(k.in.Secret), bytes.Clone(k.out.Secret)
	return &Forged{
		Record: k.opener.Seal(nil, tlsrec.TypeData, plain),
		suite:  k.suite,
		in:     k.in,
		out:    k.out,
	}, nil
}

// Export returns the state that crypto/tls was in before it read f. notify is
// what it has written since and nobody has seen: the close_notify of its Close,
// whose number is that of the next record. Export proves that.
func (t *Tap) Export(f *Forged, notify []byte) (*tlsrec.State, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.dropped {
		return nil, ErrDropped
	}
	if !t.out.whole() {
		return nil, ErrUnderway
	}
	seq, err := t.nextOutLocked(f, notify)
	if err != nil {
		return nil, err
	}
	f.out.Seq = seq
	return &tlsrec.State{Version: f.suite.Version, Suite: f.suite.ID, In: f.in, Out: f.out}, nil
}

// nextOutLocked finds the number of notify. In TLS 1.3 some of the records that
// were counted were of the handshake.
func (t *Tap) nextOutLocked(f *Forged, notify []byte) (uint64, error) {
	if len(notify) < tlsrec.HeaderLen || len(notify) != tlsrec.HeaderLen+int(notify[3])<<8+int(notify[4]) {
		return 0, fmt.Errorf("tlstap: crypto/tls has closed with %d bytes, want one record", len(notify))
	}
	c, err := tlsrec.NewCipher(f.suite, f.out)
	if err != nil {
		return 0, err
	}
	highest, lowest := t.out.since, t.out.since
	if f.suite.Version == tls.VersionTLS13 {
		highest = t.out.data
		lowest = highest - min(highest, maxHandshakeRecords)
	}
	for seq := highest; ; seq-- {
		plain, typ, err := c.OpenAt(seq, nil, notify)
		switch {
		case err == nil && typ == tlsrec.TypeAlert && tlsrec.IsCloseNotify(plain):
			return seq, nil
		case err == nil:
			return 0, ErrNotData
		case seq == lowest:
			return 0, ErrUnproved
		}
	}
}

// Wipe overwrites the secrets of f, and with them those of the State that Export
// has made of it.
func (f *Forged) Wipe() {
	for _, h := range []tlsrec.Half{f.in, f.out} {
		clear(h.Secret)
		clear(h.Key)
		clear(h.IV)
	}
}
