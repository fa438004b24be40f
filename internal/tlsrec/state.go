package tlsrec

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"sync"
)

// A State is what it takes to go on with a connection. It is made by
// [Conn.Detach] or from crypto/tls, and holds the connection's secrets.
type State struct {
	Version uint16 `json:"version"` // as in crypto/tls
	Suite   uint16 `json:"suite"`   // as in crypto/tls
	In      Half   `json:"in"`      // what the client sends
	Out     Half   `json:"out"`     // what the server sends

	Plain Secret `json:"plain,omitempty"` // decrypted, and not read yet
	Raw   []byte `json:"raw,omitempty"`   // the beginning of a record that is not whole yet

	Description Description `json:"description"`
}

// A Half is one direction: what protects its next record. In TLS 1.3 that is the
// traffic secret, of which key and IV are derived; in TLS 1.2 it is key and IV.
type Half struct {
	Secret Secret `json:"secret,omitempty"`
	Key    Secret `json:"key,omitempty"`
	IV     Secret `json:"iv,omitempty"`
	Seq    uint64 `json:"seq"` // the number of the next record
}

// A Secret is for JSON only: it prints as nothing but its length.
type Secret []byte

// Format implements [fmt.Formatter], for all verbs.
func (s Secret) Format(f fmt.State, _ rune) { io.WriteString(f, s.redacted()) }

// LogValue implements [slog.LogValuer].
func (s Secret) LogValue() slog.Value { return slog.StringValue(s.redacted()) }

func (s Secret) redacted() string { return fmt.Sprintf("(%d secret bytes)", len(s)) }

// String names version and suite only.
func (s *State) String() string {
	return fmt.Sprintf("%s %s", tls.VersionName(s.Version), tls.CipherSuiteName(s.Suite))
}

// LogValue implements [slog.LogValuer].
func (s *State) LogValue() slog.Value { return slog.StringValue(s.String()) }

// Encode returns s as [Decode] reads it, with its secrets.
func (s *State) Encode() ([]byte, error) {
	b, err := json.Marshal(s)
	if err != nil {
		return nil, fmt.Errorf("tlsrec: encode a state: %w", err)
	}
	return b, nil
}

// Decode reads what Encode has returned.
func Decode(b []byte) (*State, error) {
	s := new(State)
	if err := json.Unmarshal(b, s); err != nil {
		// The error could quote what it cannot decode.
		return nil, errors.New("tlsrec: decode a state: it is not in the known encoding")
	}
	return s, nil
}

// Wipe overwrites the secrets of s.
func (s *State) Wipe() {
	for _, h := range []*Half{&s.In, &s.Out} {
		clear(h.Secret)
		clear(h.Key)
		clear(h.IV)
	}
	clear(s.Plain)
}

// A Description is what of a tls.ConnectionState is not about protection.
type Description struct {
	Resumed    bool        `json:"resumed,omitempty"`
	Retried    bool        `json:"retried,omitempty"` // by a HelloRetryRequest
	Curve      tls.CurveID `json:"curve,omitempty"`
	Protocol   string      `json:"protocol,omitempty"` // that of ALPN
	ServerName string      `json:"server_name,omitempty"`
	Unique     []byte      `json:"unique,omitempty"` // see tls.ConnectionState.TLSUnique
	Peer       [][]byte    `json:"peer,omitempty"`   // the client's certificates
	Chains     [][][]byte  `json:"chains,omitempty"` // those that were verified
	OCSP       []byte      `json:"ocsp,omitempty"`
	SCTs       [][]byte    `json:"scts,omitempty"`
}

// Describe returns the Description of cs.
func Describe(cs tls.ConnectionState) Description {
	d := Description{
		Resumed:    cs.DidResume,
		Retried:    cs.HelloRetryRequest,
		Curve:      cs.CurveID,
		Protocol:   cs.NegotiatedProtocol,
		ServerName: cs.ServerName,
		Unique:     cs.TLSUnique,
		Peer:       rawCertificates(cs.PeerCertificates),
		OCSP:       cs.OCSPResponse,
		SCTs:       cs.SignedCertificateTimestamps,
	}
	for _, chain := range cs.VerifiedChains {
		d.Chains = append(d.Chains, rawCertificates(chain))
	}
	return d
}

// ConnectionState returns what s says of its connection. Its
// ExportKeyingMaterial returns an error: crypto/tls tells nobody the secret that
// it takes.
func (s *State) ConnectionState() (tls.ConnectionState, error) {
	d := &s.Description
	cs := withoutExporter() // a copy
	cs.Version, cs.CipherSuite, cs.HandshakeComplete = s.Version, s.Suite, true
	cs.DidResume, cs.HelloRetryRequest, cs.CurveID = d.Resumed, d.Retried, d.Curve
	cs.NegotiatedProtocol = d.Protocol
	cs.ServerName, cs.TLSUnique = d.ServerName, d.Unique
	cs.OCSPResponse, cs.SignedCertificateTimestamps = d.OCSP, d.SCTs
	var err error
	if cs.PeerCertificates, err = parseCertificates(d.Peer); err != nil {
		return tls.ConnectionState{}, err
	}
	for _, raw := range d.Chains {
		chain, err := parseCertificates(raw)
		if err != nil {
			return tls.ConnectionState{}, err
		}
		cs.VerifiedChains = append(cs.VerifiedChains, chain)
	}
	return cs, nil
}

// withoutExporter returns the ConnectionState of a connection that allows
// renegotiation. Its ExportKeyingMaterial fails; that of a zero ConnectionState
// would panic.
var withoutExporter = sync.OnceValue(func() tls.ConnectionState {
	return tls.Server(nil, &tls.Config{Renegotiation: tls.RenegotiateFreelyAsClient}).ConnectionState()
})

func rawCertificates(certs []*x509.Certificate) (all [][]byte) {
	for _, c := range certs {
		all = append(all, c.Raw)
	}
	return all
}

func parseCertificates(all [][]byte) (certs []*x509.Certificate, err error) {
	for _, raw := range all {
		c, err := x509.ParseCertificate(raw)
		if err != nil {
			return nil, fmt.Errorf("tlsrec: parse the client's certificate: %w", err)
		}
		certs = append(certs, c)
	}
	return certs, nil
}
