package restarthttp

import (
	"crypto/fips140"
	"errors"
	"net"

	"example.com/restart/internal/tlskeylog"
	"example.com/restart/internal/tlsrec"
)

var (
	errTLSStays = errors.New("restart/http: connections with TLS do not move: Server.MoveTLS is not set")

	// errCryptoTLS is for a crypto/tls that does not pass the self-check.
	errCryptoTLS = errors.New("restart/http: crypto/tls does not behave as known")
	errFIPS      = errors.New("restart/http: connections with TLS do not move in FIPS 140 mode: other code than the module's would encrypt")
)

// A tlsMover moves connections of HTTP/1 with TLS, if why is nil. Below
// crypto/tls each has a tapped socket, in the successor a record layer of its
// own.
type tlsMover struct {
	why    error          // check's answer
	buffer int            // what selfCheck returned
	log    *tlskeylog.Log // not nil if why is nil
}

// tlsMoverOf returns how the connections of s move, which speaks TLS.
func tlsMoverOf(s *Server, check func() int) tlsMover {
	if !s.MoveTLS {
		return tlsMover{why: errTLSStays}
	}
	if fips140.Enabled() {
		return tlsMover{why: errFIPS}
	}
	m := tlsMover{buffer: check()}
	switch {
	case m.buffer == 0:
		m.why = errNetHTTP
	case !selfCheckTLS():
		m.why = errCryptoTLS
	default:
		m.log = new(tlskeylog.Log)
	}
	return m
}

func (m tlsMover) check() error { return m.why }
func (tlsMover) kind() string   { return "tls" }

func (m tlsMover) tap(socket net.Conn) net.Conn {
	if m.why != nil {
		return socket
	}
	return newTapped(socket, m.log)
}

func (m tlsMover) detach(c *conn) (socket net.Conn, state []byte, err error) {
	if m.why != nil {
		return nil, nil, m.why
	}
	var s *tlsrec.State
	switch t := c.wire().(type) {
	case *tapped:
		socket, s, err = c.export(t)
	case *tlsrec.Conn:
		socket, s, err = t.Detach()
	default:
		err = errNoState
	}
	if err != nil {
		return nil, nil, err
	}
	defer s.Wipe()
	state, err = s.Encode()
	return socket, state, err
}

func (m tlsMover) attach(socket net.Conn, state []byte) (net.Conn, error) {
	if m.why != nil {
		return nil, m.why
	}
	s, err := tlsrec.Decode(state)
	if err != nil {
		return nil, err
	}
	defer s.Wipe()
	return tlsrec.New(socket, s)
}
