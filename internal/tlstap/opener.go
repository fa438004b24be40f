package tlstap

import (
	"example.com/restart/internal/tlsrec"
)

// An Opener decrypts what crypto/tls writes, from some moment on, for who must
// know what a response says before it goes out. It is not for several goroutines.
type Opener struct {
	tap    *Tap
	cipher *tlsrec.Cipher
	suite  *tlsrec.Suite
	found  bool
	seq    uint64 // of the next record; 0 until found
}

// Opener returns what decrypts the next record that crypto/tls writes, and all
// that follow.
func (t *Tap) Opener() (*Opener, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	k, err := t.keyedLocked()
	if err != nil {
		return nil, err
	}
	c, err := tlsrec.NewCipher(k.suite, k.out)
	if err != nil {
		return nil, err
	}
	return &Opener{tap: t, cipher: c, suite: k.suite}, nil
}

// Open decrypts a record that Out has not been told of yet. It must be given all
// of them, in order. An error, which comes also with what is not application
// data, says that nothing more can be decrypted.
func (o *Opener) Open(record []byte) ([]byte, error) {
	if o.found {
		return o.openAt(o.seq, record)
	}
	o.tap.mu.Lock()
	highest, lowest := o.tap.nextOutBoundsLocked(o.suite)
	o.tap.mu.Unlock()
	for seq := highest; ; seq-- {
		plain, err := o.openAt(seq, record)
		if err != ErrUnproved || seq == lowest {
			return plain, err
		}
	}
}

func (o *Opener) openAt(seq uint64, record []byte) ([]byte, error) {
	plain, typ, err := o.cipher.OpenAt(seq, nil, record)
	switch {
	case err != nil:
		return nil, ErrUnproved
	case typ != tlsrec.TypeData:
		return nil, ErrNotData
	}
	o.found, o.seq = true, seq+1
	return plain, nil
}

// Reseal returns the record with this content that takes the place of the last n
// that Open has decrypted and that nobody will see.
func (o *Opener) Reseal(plain []byte, n int) ([]byte, error) {
	o.cipher.SetSeq(o.seq - uint64(n))
	return o.cipher.Seal(nil, tlsrec.TypeData, plain)
}

// Next splits b after its first record. It returns false if that is not whole.
func Next(b []byte) (record, rest []byte, whole bool) {
	if len(b) < tlsrec.HeaderLen {
		return nil, b, false
	}
	n := tlsrec.HeaderLen + int(b[3])<<8 + int(b[4])
	if len(b) < n {
		return nil, b, false
	}
	return b[:n], b[n:], true
}
