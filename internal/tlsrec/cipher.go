package tlsrec

import (
	"bytes"
	"crypto/cipher"
	"crypto/tls"
	"encoding/binary"
	"errors"
)

// A Type is that of a record (RFC 8446, 5.1).
type Type byte

// The types that a server meets after the handshake.
const (
	TypeChangeCipherSpec Type = 20
	TypeAlert            Type = 21
	TypeHandshake        Type = 22
	TypeData             Type = 23
)

const (
	// HeaderLen is the length of a record's header: type, version, length.
	HeaderLen = 5

	// Overhead13 is what a record of TLS 1.3 without padding has beside the
	// header and the plaintext: its real type and the tag.
	Overhead13 = 1 + tagLen

	nonceLen    = 12
	tagLen      = 16
	maxPlain    = 1 << 14
	maxCipher13 = maxPlain + 256
	maxCipher12 = maxPlain + 2048
)

// A Cipher protects the records of one direction.
type Cipher struct {
	suite  *Suite
	secret []byte // TLS 1.3: what the keys are derived from
	key    []byte // TLS 1.2: to be told in Half
	seq    uint64

	// Made for the first record, see ready: most connections that move are idle,
	// and may move on without one.
	aead cipher.AEAD
	iv   [nonceLen]byte // in TLS 1.2 there from the beginning

	// Arguments for aead, which would be allocated anew for every record.
	nonce      [nonceLen]byte
	additional [8 + HeaderLen]byte
}

var (
	errSecretLen = errors.New("tlsrec: the secret has a wrong length for the cipher suite")

	// errSeq is for a State that nobody can have made by sending records.
	errSeq = errors.New("tlsrec: the record number is too large")
)

// NewCipher returns a Cipher that goes on where h says. It copies h.
func NewCipher(s *Suite, h Half) (*Cipher, error) {
	if h.Seq >= 1<<63 {
		return nil, errSeq // so it cannot wrap around
	}
	c := &Cipher{suite: s, seq: h.Seq}
	if s.Version == tls.VersionTLS13 {
		if len(h.Secret) != s.HashLen() {
			return nil, errSecretLen
		}
		c.secret = bytes.Clone(h.Secret)
		return c, nil
	}
	if len(h.Key) != s.keyLen || len(h.IV) != s.ivLen {
		return nil, errSecretLen
	}
	c.key = bytes.Clone(h.Key)
	copy(c.iv[:], h.IV)
	return c, nil
}

// ready makes what protects records, unless it is there. In TLS 1.3 it derives
// key and IV of the traffic secret (RFC 8446, 7.3).
func (c *Cipher) ready() (err error) {
	if c.aead != nil {
		return nil
	}
	if c.suite.Version == tls.VersionTLS12 {
		c.aead, err = c.suite.aead(c.key)
		return err
	}
	iv, err := c.suite.expandLabel(c.secret, "iv", nonceLen)
	if err != nil {
		return err
	}
	copy(c.iv[:], iv)
	key, err := c.suite.expandLabel(c.secret, "key", c.suite.keyLen)
	if err != nil {
		return err
	}
	defer clear(key)
	c.aead, err = c.suite.aead(key)
	return err
}

// update is what a KeyUpdate does to the direction in which it was sent
// (RFC 8446, 7.2).
func (c *Cipher) update() error {
	next, err := c.suite.expandLabel(c.secret, "traffic upd", len(c.secret))
	if err != nil {
		return err
	}
	clear(c.secret)
	c.secret, c.seq, c.aead = next, 0, nil
	return nil
}

// half returns copies of what the next record needs.
func (c *Cipher) half() Half {
	h := Half{Secret: bytes.Clone(c.secret), Key: bytes.Clone(c.key), Seq: c.seq}
	if c.suite.Version == tls.VersionTLS12 {
		h.IV = bytes.Clone(c.iv[:c.suite.ivLen])
	}
	return h
}

// SetSeq makes seq the number of the next record that Seal makes.
func (c *Cipher) SetSeq(seq uint64) { c.seq = seq }

// nonceOf returns the nonce of record seq. explicit is the part that stands in
// the record, if there is one (RFC 5288, 3); otherwise the number is mixed with
// the IV (RFC 8446, 5.3, and RFC 7905, 2).
func (c *Cipher) nonceOf(seq uint64, explicit []byte) []byte {
	c.nonce = c.iv
	low := c.nonce[nonceLen-8:]
	if len(explicit) > 0 {
		copy(low, explicit)
	} else {
		binary.BigEndian.PutUint64(low, binary.BigEndian.Uint64(low)^seq)
	}
	return c.nonce[:]
}

// additionalOf returns what is authenticated beside the plaintext: in TLS 1.3
// the header, in TLS 1.2 the number and the header of the plaintext (RFC 5246,
// 6.2.3.3).
func (c *Cipher) additionalOf(seq uint64, header []byte, plainLen int) []byte {
	b := c.additional[:0]
	if c.suite.Version == tls.VersionTLS13 {
		return append(b, header[:HeaderLen]...)
	}
	b = binary.BigEndian.AppendUint64(b, seq)
	b = append(b, header[:3]...)
	return binary.BigEndian.AppendUint16(b, uint16(plainLen))
}

// Seal appends the next record to b. plain must fit into one.
func (c *Cipher) Seal(b []byte, t Type, plain []byte) ([]byte, error) {
	if err := c.ready(); err != nil {
		return nil, err
	}
	at := len(b)
	if c.suite.Version == tls.VersionTLS13 {
		b = append(b, byte(TypeData), 3, 3)
		b = binary.BigEndian.AppendUint16(b, uint16(len(plain)+Overhead13))
		b = append(b, plain...)
		b = append(b, byte(t))
		inner := b[at+HeaderLen:]
		b = c.aead.Seal(b[:at+HeaderLen], c.nonceOf(c.seq, nil), inner, c.additionalOf(c.seq, b[at:], len(plain)))
	} else {
		b = append(b, byte(t), 3, 3)
		b = binary.BigEndian.AppendUint16(b, uint16(c.suite.explicitLen()+len(plain)+tagLen))
		if c.suite.explicitLen() > 0 {
			b = binary.BigEndian.AppendUint64(b, c.seq)
		}
		b = c.aead.Seal(b, c.nonceOf(c.seq, b[at+HeaderLen:]), plain, c.additionalOf(c.seq, b[at:], len(plain)))
	}
	c.seq++
	return b, nil
}

// OpenAt decrypts a whole record as number seq, appends the plaintext to dst and
// returns it. dst may be the start of the record's own ciphertext, see
// openInPlace. A record that does not authenticate is [BadRecordMAC]. OpenAt
// leaves the number of the next record as it is.
func (c *Cipher) OpenAt(seq uint64, dst, record []byte) (plain []byte, t Type, err error) {
	if c.ready() != nil {
		return nil, 0, internalError
	}
	explicit := c.suite.explicitLen()
	if len(record) < HeaderLen+explicit+tagLen {
		return nil, 0, BadRecordMAC
	}
	nonce, sealed := record[HeaderLen:HeaderLen+explicit], record[HeaderLen+explicit:]
	b, err := c.aead.Open(dst, c.nonceOf(seq, nonce), sealed, c.additionalOf(seq, record, len(sealed)-tagLen))
	if err != nil {
		return nil, 0, BadRecordMAC
	}
	plain, t = b[len(dst):], Type(record[0])
	if c.suite.Version == tls.VersionTLS13 {
		return unpad(plain)
	}
	if len(plain) > maxPlain {
		return nil, 0, recordOverflow
	}
	return plain, t, nil
}

// openInPlace decrypts the next record over its own ciphertext.
func (c *Cipher) openInPlace(record []byte) (plain []byte, t Type, err error) {
	at := HeaderLen + c.suite.explicitLen()
	if len(record) < at {
		return nil, 0, BadRecordMAC
	}
	plain, t, err = c.OpenAt(c.seq, record[at:at], record)
	if err == nil {
		c.seq++
	}
	return plain, t, err
}

// unpad splits a decrypted record of TLS 1.3 into content and type: the type is
// the last byte that is not zero (RFC 8446, 5.4).
func unpad(b []byte) ([]byte, Type, error) {
	if len(b) > maxPlain+1 {
		return nil, 0, recordOverflow
	}
	b = bytes.TrimRight(b, "\x00")
	if len(b) == 0 {
		return nil, 0, unexpectedMessage
	}
	last := len(b) - 1
	return b[:last], Type(b[last]), nil
}
