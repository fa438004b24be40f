package restarthttp

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"slices"
	"time"

	"example.com/restart/internal/tlsrec"
)

// checkTLS returns why a connection with TLS from the predecessor may not be served
// here, nil if it may. It asks what crypto/tls asks when a session is resumed: the
// configuration may have changed with the restart.
func (r *run) checkTLS(nc net.Conn) error {
	t, ok := nc.(*tlsrec.Conn)
	if !ok {
		return nil
	}
	if !r.listener.accepts.Load() {
		// ServeTLS has not set up HTTP/2 yet. If parked served before it did,
		// HTTP/2 would never be set up.
		return errNotYet
	}
	if err := checkTLSState(r.server.HTTP.TLSConfig, t.ConnectionState()); err != nil {
		return fmt.Errorf("restart/http: adopt a connection: %w", err)
	}
	return nil
}

func checkTLSState(c *tls.Config, cs tls.ConnectionState) error {
	lowest := c.MinVersion
	if lowest == 0 {
		lowest = tls.VersionTLS12
	}
	switch {
	case cs.Version < lowest || c.MaxVersion != 0 && cs.Version > c.MaxVersion:
		return fmt.Errorf("%s is not served", tls.VersionName(cs.Version))
	case cs.Version == tls.VersionTLS12 && !slices.Contains(suites12(c), cs.CipherSuite):
		return fmt.Errorf("%s is not served", tls.CipherSuiteName(cs.CipherSuite))
	case !servesHTTP1(cs):
		return fmt.Errorf("protocol %q is not served", cs.NegotiatedProtocol)
	}
	if err := checkClientCertificates(c, cs.PeerCertificates); err != nil {
		return err
	}
	if c.VerifyConnection != nil {
		return c.VerifyConnection(cs)
	}
	return nil
}

// suites12 are the cipher suites of TLS 1.2 that c allows.
func suites12(c *tls.Config) []uint16 {
	if c.CipherSuites != nil {
		return c.CipherSuites
	}
	var ids []uint16
	for _, s := range tls.CipherSuites() {
		ids = append(ids, s.ID)
	}
	return ids
}

// checkClientCertificates checks the client's chain, which begins with its own
// certificate.
func checkClientCertificates(c *tls.Config, certs []*x509.Certificate) error {
	has := len(certs) > 0
	needs := c.ClientAuth == tls.RequireAnyClientCert || c.ClientAuth == tls.RequireAndVerifyClientCert
	switch {
	case c.GetConfigForClient != nil && (has || c.ClientAuth != tls.NoClientCert):
		return errors.New("GetConfigForClient decides on client certificates, and only in a handshake")
	case c.VerifyPeerCertificate != nil && has:
		return errors.New("VerifyPeerCertificate decides on client certificates, and only in a handshake")
	case needs && !has:
		return errors.New("a client certificate is required")
	case has && c.ClientAuth == tls.NoClientCert:
		return errors.New("client certificates are not asked for")
	case !has:
		return nil
	}
	now := time.Now()
	if c.Time != nil {
		now = c.Time()
	}
	if now.After(certs[0].NotAfter) {
		return errors.New("the client's certificate has expired")
	}
	if c.ClientAuth < tls.VerifyClientCertIfGiven {
		return nil
	}
	opts := x509.VerifyOptions{
		Roots:         c.ClientCAs,
		CurrentTime:   now,
		Intermediates: x509.NewCertPool(),
		KeyUsages:     []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	}
	for _, cert := range certs[1:] {
		opts.Intermediates.AddCert(cert)
	}
	if _, err := certs[0].Verify(opts); err != nil {
		return fmt.Errorf("verify the client's certificate: %w", err)
	}
	return nil
}
