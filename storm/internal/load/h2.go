//lint:file-ignore SA1019 net/http would do, but its Transport resends in more cases than HTTP/2 declares safe, and hides that.

package load

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptrace"
	"sync/atomic"
	"time"

	"golang.org/x/net/http2"

	"example.com/restart/storm/internal/rawhttp"
	"example.com/restart/storm/internal/tally"
)

// h2client keeps one HTTP/2 connection. It uses golang.org/x/net/http2, which sends again what the protocol declares
// unprocessed (GOAWAY, REFUSED_STREAM) and nothing else; for that each request has GetBody.
type h2client struct {
	*client
	transport *http2.Transport
	current   atomic.Pointer[goAwayConn]
}

func newH2(c *client) *h2client {
	h := &h2client{client: c}
	h.transport = &http2.Transport{
		TLSClientConfig:    tlsConfig("h2"),
		DisableCompression: true,
		DialTLSContext: func(ctx context.Context, network, addr string, config *tls.Config) (net.Conn, error) {
			return h.dialTLS(ctx, network, addr, config)
		},
	}
	return h
}

func (h *h2client) dialTLS(ctx context.Context, network, addr string, config *tls.Config) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, h.timeout)
	defer cancel()
	d := net.Dialer{KeepAlive: -1}
	nc, err := d.DialContext(ctx, network, addr)
	if err != nil {
		return nil, &rawhttp.DialError{Err: err}
	}
	socket, err := rawhttp.NewSocket(nc.(*net.TCPConn))
	if err != nil {
		_ = nc.Close()
		return nil, err
	}
	t := tls.Client(nc, config)
	if err := t.HandshakeContext(ctx); err != nil {
		_ = nc.Close()
		return nil, fmt.Errorf("TLS handshake: %w", err)
	}
	if p := t.ConnectionState().NegotiatedProtocol; p != "h2" {
		_ = nc.Close()
		return nil, fmt.Errorf("the server chose %q, not h2", p)
	}
	c := &goAwayConn{Conn: t}
	if before := h.current.Swap(c); before != nil && h.life != nil {
		if before.seen.Load() {
			h.books.AnnouncedClose()
		} else {
			h.books.ClosedIdle()
		}
	}
	if h.life != nil {
		h.life.opened(socket)
	}
	return c, nil
}

func (h *h2client) close() { h.transport.CloseIdleConnections() }

// roundTrip sends a POST whose body must come back.
func (h *h2client) roundTrip(body []byte) (received int64, err error) {
	ctx, cancel := context.WithTimeout(context.Background(), h.timeout)
	defer cancel()
	conns := 0
	ctx = httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{GotConn: func(httptrace.GotConnInfo) { conns++ }})
	// NewRequest sets GetBody for a *bytes.Reader.
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, "https://"+h.addr+"/echo", bytes.NewReader(body))
	if err != nil {
		return 0, err
	}
	if req.GetBody == nil {
		return 0, errors.New("storm: a request without GetBody cannot be sent again")
	}
	resp, err := h.transport.RoundTrip(req)
	for range conns - 1 {
		h.books.Resent()
	}
	if err != nil {
		return 0, err
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(io.LimitReader(resp.Body, 1<<20))
	switch {
	case err != nil:
	case resp.StatusCode != http.StatusOK:
		err = fmt.Errorf("%w: status %d", tally.ErrWrong, resp.StatusCode)
	case !bytes.Equal(b, body):
		err = fmt.Errorf("%w: %d bytes sent, %d others came back", tally.ErrWrong, len(body), len(b))
	}
	// The head arrived, so what was lost was lost within the response.
	return 1, err
}

func runHTTP2(e *env, class *Class, i int) {
	c := newClient(e, class, i)
	c.addr = e.tls
	h := newH2(c)
	c.life.left = h.close
	body := make([]byte, echoSize)
	if !c.sleep(c.between(0, ramp)) {
		return
	}
	for {
		fill(c.rng, body)
		start := time.Now()
		received, err := h.roundTrip(body)
		if class.Books.Record(start, time.Now(), received, err) != tally.Answered {
			c.sleep(afterLoss)
		}
		if !c.sleep(c.between(e.sizes.ThinkMin, e.sizes.ThinkMax)) {
			return
		}
	}
}

func fill(rng *rand.Rand, b []byte) {
	for i := range b {
		b[i] = 'a' + byte(rng.UintN(26))
	}
}
