// Package tlskeylog takes the secrets of handshakes from tls.Config.KeyLogWriter,
// the one documented way to learn them, and gives each to whoever follows its
// connection. Nothing is written anywhere.
package tlskeylog

import (
	"bytes"
	"crypto/tls"
	"encoding/hex"
	"io"
	"sync"
)

// A Random is the random value of a ClientHello. The lines of a key log name
// connections by it. It need not be unique: the client chooses it.
type Random [32]byte

// The labels of secrets in the NSS key log format, which crypto/tls writes. Of
// TLS 1.2 it writes the master secret, and nothing when a session is resumed.
const (
	ClientHandshake = "CLIENT_HANDSHAKE_TRAFFIC_SECRET"
	ClientTraffic   = "CLIENT_TRAFFIC_SECRET_0"
	ServerTraffic   = "SERVER_TRAFFIC_SECRET_0"
	Master          = "CLIENT_RANDOM"
)

// maxSecret is the length of the longest secret, that of SHA-384.
const maxSecret = 48

// A Follower is given the secrets of its connection, or those of another one
// with the same Random: it must try whether they fit. They come one at a time,
// and are overwritten when Learn returns. Learn must not block, and reports
// whether it needs no more.
type Follower interface {
	Learn(label string, secret []byte) (last bool)
}

// A Log knows who follows which handshake. Its zero value knows of none. Its
// methods may be called by several goroutines.
type Log struct {
	mu        sync.Mutex
	followers map[Random]Follower
}

// Install makes c tell its secrets to l, and what its GetConfigForClient
// returns. A KeyLogWriter of the program's gets what it would have got.
func (l *Log) Install(c *tls.Config) {
	c.KeyLogWriter = l.Writer(c.KeyLogWriter)
	get := c.GetConfigForClient
	if get == nil {
		return
	}
	c.GetConfigForClient = func(hello *tls.ClientHelloInfo) (*tls.Config, error) {
		own, err := get(hello)
		if own == nil || err != nil {
			return own, err
		}
		own = own.Clone() // it is the program's
		own.KeyLogWriter = l.Writer(own.KeyLogWriter)
		return own, nil
	}
}

// Writer returns a writer that gives what it gets to l and then to next, which
// may be nil.
func (l *Log) Writer(next io.Writer) io.Writer { return &writer{l, next} }

type writer struct {
	log  *Log
	next io.Writer
}

// Write takes one line, as crypto/tls writes them.
func (w *writer) Write(line []byte) (int, error) {
	w.log.note(line)
	if w.next == nil {
		return len(line), nil
	}
	return w.next.Write(line)
}

// Follow gives the secrets of the handshake with this Random to f, until f needs
// no more or Forget is called. The last one who follows a Random counts.
func (l *Log) Follow(r Random, f Follower) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.followers == nil {
		l.followers = make(map[Random]Follower)
	}
	l.followers[r] = f
}

// Forget ends what Follow has begun.
func (l *Log) Forget(r Random, f Follower) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.followers[r] == f {
		delete(l.followers, r)
	}
}

// Len returns how many handshakes are followed.
func (l *Log) Len() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.followers)
}

// note reads one line: label, random, secret. The lock is not held while a
// Follower learns: two clients with the same Random could otherwise make two of
// them wait for each other.
func (l *Log) note(line []byte) {
	var r Random
	var secret [maxSecret]byte
	defer clear(secret[:])
	label, n, ok := parse(line, &r, &secret)
	if !ok {
		return
	}
	l.mu.Lock()
	f := l.followers[r]
	l.mu.Unlock()
	if f != nil && f.Learn(label, secret[:n]) {
		l.Forget(r, f)
	}
}

// parse decodes a line into r and the first n bytes of secret.
func parse(line []byte, r *Random, secret *[maxSecret]byte) (label string, n int, ok bool) {
	fields := bytes.Split(bytes.TrimSuffix(line, []byte("\n")), []byte(" "))
	if len(fields) != 3 || len(fields[1]) != 2*len(r) || len(fields[2]) > 2*len(secret) {
		return "", 0, false
	}
	if _, err := hex.Decode(r[:], fields[1]); err != nil {
		return "", 0, false
	}
	n, err := hex.Decode(secret[:], fields[2])
	return string(fields[0]), n, err == nil
}
