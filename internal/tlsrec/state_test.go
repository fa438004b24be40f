package tlsrec

import (
	"bytes"
	"crypto/tls"
	"fmt"
	"log/slog"
	"reflect"
	"strings"
	"testing"
)

// No verb and no log handler prints a secret.
func TestSecretsDoNotPrint(t *testing.T) {
	s, _ := newPeer(t, tls.TLS_AES_128_GCM_SHA256)
	s.In.Secret, s.Plain = Secret("TOP-SECRET"), Secret("TOP-SECRET")
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d"} {
		for _, v := range []any{s, *s, s.In, &s.In, s.In.Secret} {
			got := fmt.Sprintf(verb, v)
			for _, secret := range []string{"TOP-SECRET", "544f50", "84 79 80", "0x54"} {
				if strings.Contains(strings.ToLower(got), strings.ToLower(secret)) {
					t.Errorf("%s of %T: got %s", verb, v, got)
				}
			}
		}
	}
	var b bytes.Buffer
	slog.New(slog.NewJSONHandler(&b, nil)).Info("x", "state", s, "secret", s.In.Secret)
	slog.New(slog.NewTextHandler(&b, nil)).Info("x", "state", s, "secret", s.In.Secret)
	if got := b.String(); strings.Contains(got, "TOP") || strings.Contains(got, "VE9Q") || !strings.Contains(got, "TLS 1.3") {
		t.Errorf("log: got %s", got)
	}
	if _, err := Decode([]byte(`{"in":{"secret":"TOP-SECRET"}`)); err == nil || strings.Contains(err.Error(), "TOP") {
		t.Errorf("error of Decode: got %v", err)
	}
}

func TestStateTravels(t *testing.T) {
	s := handshake(t, 0).state
	s.Plain, s.Raw, s.In.Seq = Secret("GE"), []byte{23}, 1<<62
	b, err := s.Encode()
	if err != nil {
		t.Fatal(err)
	}
	got, err := Decode(b)
	if err != nil || !reflect.DeepEqual(got, s) {
		t.Errorf("got %#v, %v; want %#v", got, err, s)
	}
}

// Fields that a later version adds are ignored.
func TestDecodeIgnoresUnknownFields(t *testing.T) {
	if s, err := Decode([]byte(`{"version":772,"later":1}`)); err != nil || s.Version != tls.VersionTLS13 {
		t.Errorf("got %v, %v", s, err)
	}
}

// The restored ConnectionState says what crypto/tls said, and has no exporter.
func TestConnectionState(t *testing.T) {
	s := handshake(t, 0).state
	s.Description.Peer = [][]byte{certificates(t)[0].Certificate[0]}
	s.Description.Chains = [][][]byte{s.Description.Peer}
	cs, err := s.ConnectionState()
	if err != nil {
		t.Fatal(err)
	}
	if !cs.HandshakeComplete || cs.Version != tls.VersionTLS13 || cs.ServerName != "example.com" {
		t.Errorf("got %+v", cs)
	}
	if len(cs.PeerCertificates) != 1 || len(cs.VerifiedChains) != 1 || !reflect.DeepEqual(Describe(cs), s.Description) {
		t.Errorf("got %+v, want %+v", Describe(cs), s.Description)
	}
	if _, err := cs.ExportKeyingMaterial("x", nil, 8); err == nil {
		t.Error("keying material: got no error")
	}
}

func TestWipe(t *testing.T) {
	s, _ := newPeer(t, tls.TLS_AES_128_GCM_SHA256)
	secret := s.In.Secret
	s.Wipe()
	if !bytes.Equal(secret, make([]byte, len(secret))) {
		t.Errorf("got %x, want zeros", []byte(secret))
	}
}
