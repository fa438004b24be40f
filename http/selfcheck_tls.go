package restarthttp

import (
	"bufio"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"io"
	"log"
	"math/big"
	"net"
	"net/http"
	"sync"
	"time"

	"example.com/restart/internal/tlskeylog"
)

// selfCheckTLS reports whether crypto/tls and net/http behave together as
// tapped.go relies on. It is tried out once in a process, over memory: a tiny
// server answers one request, the connection moves to our record layer, and that
// answers the next one.
var selfCheckTLS = sync.OnceValue(func() bool {
	return tryMoveTLS(tls.VersionTLS13) && tryMoveTLS(tls.VersionTLS12)
})

func tryMoveTLS(version uint16) bool {
	cert, err := trialCertificate()
	if err != nil {
		return false
	}
	client, server := net.Pipe()
	defer server.Close()
	defer client.Close()
	bound := time.Now().Add(5 * time.Second)
	client.SetDeadline(bound)

	m := tlsMover{log: new(tlskeylog.Log)}
	came := make(chan net.Conn, 1)
	home := newConns(func(c *conn) bool {
		socket, state, err := m.detach(c)
		if err != nil {
			return false
		}
		nc, err := m.attach(socket, state)
		if err != nil {
			return false
		}
		came <- nc
		return true
	})
	c := newConn(m.tap(server), home, movable)
	config := &tls.Config{Certificates: []tls.Certificate{cert}, MinVersion: version, MaxVersion: version}
	m.log.Install(config)
	ln := newConnListener(server.LocalAddr())
	srv := trialServer(c)
	var served sync.WaitGroup
	served.Go(func() { srv.Serve(tls.NewListener(ln, config)) })
	defer func() { srv.Close(); client.Close(); served.Wait() }()
	ln.deliver(c)

	secured := tls.Client(client, &tls.Config{InsecureSkipVerify: true})
	br := bufio.NewReader(secured)
	if !askTrial(secured, br) {
		return false
	}
	timeout := time.NewTimer(time.Until(bound))
	defer timeout.Stop()
	select {
	case own := <-came:
		own.SetReadDeadline(bound)
		served.Go(func() {
			if _, err := http.ReadRequest(bufio.NewReader(own)); err == nil {
				io.WriteString(own, "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n"+trialBody)
			}
			own.Close()
		})
	case <-timeout.C:
		return false
	}
	if !askTrial(secured, br) {
		return false
	}
	rest, err := io.ReadAll(br)
	return len(rest) == 0 && err == nil
}

// trialServer serves c, and begins to move it when one request is answered.
func trialServer(c *conn) *http.Server {
	return &http.Server{
		ErrorLog: log.New(io.Discard, "", 0),
		Handler: http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
			if _, probed := c.takeOut(w, req); !probed {
				io.WriteString(w, trialBody)
			}
		}),
		ConnState: func(nc net.Conn, s http.ConnState) {
			if c.isProbed() {
				return
			}
			c.stateChanged(nc, s)
			if s == http.StateIdle {
				c.begin(modeMove, nil)
			}
		},
	}
}

func askTrial(w io.Writer, br *bufio.Reader) bool {
	if _, err := io.WriteString(w, "GET / HTTP/1.1\r\nHost: trial\r\n\r\n"); err != nil {
		return false
	}
	resp, err := http.ReadResponse(br, nil)
	if err != nil {
		return false
	}
	body, err := io.ReadAll(resp.Body)
	return err == nil && string(body) == trialBody
}

func trialCertificate() (tls.Certificate, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return tls.Certificate{}, err
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, err
}
