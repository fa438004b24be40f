package restarthttp

import (
	"bytes"
	"net"
	"time"

	"example.com/restart/internal/tlsrec"
	"example.com/restart/internal/tlstap"
)

// A records is what crypto/tls writes of a response that is kept. Each record is
// decrypted, to be followed like a response without TLS, and goes out as it is
// when all of its content may.
type records struct {
	opener *tlstap.Opener
	lost   bool // nothing is followed any more
	came   int  // how much content was written
	passed int  // and how much of it may go out
	held   []heldRecord
}

// A heldRecord has not gone out.
type heldRecord struct {
	sealed, plain []byte
	end           int // of plain, counted as in records.came
}

// followRecords begins to follow what crypto/tls writes, if it has the
// connection. It reports false if that cannot be.
func (k *kept) followRecords() bool {
	if k.c.tapped == nil {
		return true
	}
	o, err := k.c.tapped.tap.Opener()
	if err != nil {
		return false
	}
	k.records = &records{opener: o}
	return true
}

// writeRecords is crypto/tls's write.
func (k *kept) writeRecords(p []byte) (int, error) {
	k.writing.Lock()
	defer k.writing.Unlock()
	if k.records == nil || k.records.lost || k.c.tapped.cutOff.Load() {
		return k.c.Conn.Write(p)
	}
	for rest := p; len(rest) > 0; {
		record, more, whole := tlstap.Next(rest)
		if !whole {
			return len(p), k.loseLocked(rest)
		}
		plain, err := k.records.opener.Open(record)
		if err != nil { // an alert or a KeyUpdate
			return len(p), k.loseLocked(rest)
		}
		k.records.hold(record, plain)
		_, _ = k.writeLocked(plain) // only counts, see pass
		if err := k.records.release(k.c.Conn); err != nil {
			k.freeLocked()
			return 0, err
		}
		rest = more
	}
	return len(p), nil
}

// loseLocked gives up following: all goes out, and then b.
func (k *kept) loseLocked(b []byte) error {
	k.freeLocked()
	if err := k.records.releaseAll(k.c.Conn); err != nil {
		return err
	}
	_, err := k.c.Conn.Write(b)
	return err
}

// freeLocked keeps the connection here.
func (k *kept) freeLocked() {
	k.records.lost = true
	k.stays.Store(true)
	k.out.stage, k.out.ended = stageFree, false
}

func (r *records) hold(sealed, plain []byte) {
	r.came += len(plain)
	r.held = append(r.held, heldRecord{sealed, plain, r.came})
}

// release sends what may go out. Only the newest record is not a copy yet.
func (r *records) release(to net.Conn) error {
	for len(r.held) > 0 && r.held[0].end <= r.passed {
		if _, err := to.Write(r.held[0].sealed); err != nil {
			return err
		}
		r.held = r.held[1:]
	}
	if n := len(r.held); n > 0 {
		r.held[n-1].sealed = bytes.Clone(r.held[n-1].sealed)
	} else {
		r.held = nil
	}
	return nil
}

func (r *records) releaseAll(to net.Conn) error {
	r.passed = r.came
	return r.release(to)
}

// export takes the state of a connection out of crypto/tls, which has closed. What
// was held back and may go out goes first.
func (c *conn) export(t *tapped) (net.Conn, *tlsrec.State, error) {
	k := c.kept.Load()
	if k == nil {
		return t.export(0)
	}
	k.writing.Lock()
	defer k.writing.Unlock()
	r := k.records
	socket, s, err := t.export(len(r.held))
	if err != nil || len(r.held) == 0 {
		return socket, s, err
	}
	first := r.held[0]
	if may := first.plain[:len(first.plain)-(first.end-r.passed)]; len(may) > 0 {
		var record []byte
		if record, err = r.opener.Reseal(may, len(r.held)); err != nil {
			return nil, nil, err
		}
		socket.SetWriteDeadline(time.Now().Add(writeBound))
		_, err = socket.Write(record)
		socket.SetWriteDeadline(time.Time{})
		s.Out.Seq++
	}
	return socket, s, err
}
