package tlstap

import (
	"example.com/restart/internal/tlskeylog"
	"example.com/restart/internal/tlsrec"
)

// Handshake messages (RFC 8446, 4). A record's header comes before, and four
// bytes of type and length, then two of a version and the random value.
const (
	clientHello = 1
	serverHello = 2
	finished    = 20

	randomAt  = tlsrec.HeaderLen + 4 + 2
	sessionAt = randomAt + 32
)

// hellos are the beginnings of both directions, as far as they are needed.
type hellos struct {
	client  [sessionAt]byte
	clientN int
	server  [sessionAt + 1 + 32 + 2]byte // with a session ID, at most 32 bytes, and the suite
	serverN int
}

// in takes what the client sends, and reports whether that has made its random
// value known. If the ClientHello comes in records so small that it is not all in
// the first one, the value is wrong, and no secret will be found by it.
func (h *hellos) in(b []byte) bool {
	if h.clientN == len(h.client) {
		return false
	}
	h.clientN += copy(h.client[h.clientN:], b)
	return h.knowsRandom()
}

func (h *hellos) out(b []byte) { h.serverN += copy(h.server[h.serverN:], b) }

func (h *hellos) knowsRandom() bool {
	return h.clientN == len(h.client) && isHello(h.client[:], clientHello)
}

func isHello(b []byte, kind byte) bool {
	return tlsrec.Type(b[0]) == tlsrec.TypeHandshake && b[tlsrec.HeaderLen] == kind
}

func (h *hellos) clientRandom() tlskeylog.Random { return tlskeylog.Random(h.client[randomAt:]) }

func (h *hellos) serverRandom() []byte { return h.server[randomAt:sessionAt] }

// suite returns the cipher suite that the server has chosen. A
// HelloRetryRequest, which looks like a ServerHello, names the same.
func (h *hellos) suite() (*tlsrec.Suite, error) {
	if h.serverN <= sessionAt || !isHello(h.server[:], serverHello) {
		return nil, ErrNoSecrets
	}
	at := sessionAt + 1 + int(h.server[sessionAt])
	if at+2 > h.serverN {
		return nil, ErrNoSecrets
	}
	return tlsrec.SuiteByID(uint16(h.server[at])<<8 | uint16(h.server[at+1]))
}
