//go:build linux

package restarthttp_test

import (
	"bytes"
	"crypto/tls"
	"encoding/hex"
	"fmt"
	"net"
	"sync"

	"example.com/restart/internal/tlsrec"
	"example.com/restart/internal/tlstap"
)

// A watched socket is that of a TLS 1.3 client. It decrypts what the server sends, and
// knows whether a record number is used twice.
type watched struct {
	net.Conn

	mu     sync.Mutex
	secret []byte // of the server
	cipher *tlsrec.Cipher
	bytes  []byte // not looked at yet
	next   uint64 // record number
	err    error  // what the server has done wrong
}

// Write takes a line of the client's key log.
func (w *keyLog) Write(line []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	f := bytes.Fields(line)
	if len(f) == 3 && string(f[0]) == "SERVER_TRAFFIC_SECRET_0" {
		w.secret, _ = hex.DecodeString(string(f[2])) // crypto/tls has written it
	}
	return len(line), nil
}

type keyLog watched

// handshake makes w a TLS connection.
func (w *watched) handshake(config *tls.Config) (*tls.Conn, error) {
	config = config.Clone()
	config.MinVersion, config.InsecureSkipVerify, config.KeyLogWriter = tls.VersionTLS13, true, (*keyLog)(w)
	c := tls.Client(w, config)
	if err := c.Handshake(); err != nil {
		return nil, err
	}
	suite, err := tlsrec.SuiteByID(c.ConnectionState().CipherSuite)
	if err != nil {
		return nil, err
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.cipher, err = tlsrec.NewCipher(suite, tlsrec.Half{Secret: w.secret})
	w.lookLocked()
	return c, err
}

func (w *watched) Read(p []byte) (int, error) {
	n, err := w.Conn.Read(p)
	w.mu.Lock()
	defer w.mu.Unlock()
	w.bytes = append(w.bytes, p[:n]...)
	w.lookLocked()
	return n, err
}

func (w *watched) lookLocked() {
	for w.cipher != nil && w.err == nil {
		record, rest, whole := tlstap.Next(w.bytes)
		if !whole {
			return
		}
		w.err = w.numberLocked(record)
		w.bytes = rest
	}
}

// numberLocked checks that the number of a record is the next one. Those of the
// handshake, which have other keys, come before all others.
func (w *watched) numberLocked(record []byte) error {
	if _, _, err := w.cipher.OpenAt(w.next, nil, record); err == nil {
		w.next++
		return nil
	}
	if w.next == 0 {
		return nil
	}
	for seq := range w.next {
		if _, _, err := w.cipher.OpenAt(seq, nil, record); err == nil {
			return fmt.Errorf("record number %d was used twice, %d is next", seq, w.next)
		}
	}
	return fmt.Errorf("what came is not record number %d", w.next)
}

// fault returns what the server has done wrong.
func (w *watched) fault() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.err
}
