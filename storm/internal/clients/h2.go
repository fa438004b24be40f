//lint:file-ignore SA1019 net/http would do, but its Transport resends in more cases than HTTP/2 declares safe, and hides that.

package clients

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"sync/atomic"
	"time"

	"golang.org/x/net/http2"

	"example.com/restart/storm/internal/rawhttp"
	"example.com/restart/storm/internal/tally"
)

// h2client keeps one HTTP/2 connection. It uses golang.org/x/net/http2, which sends again the requests that the protocol
// declares not processed (GOAWAY, REFUSED_STREAM) and no others. For that each request has GetBody.
type h2client struct {
	*client
	transport *http2.Transport
	current   atomic.Pointer[goAwayConn]
}

func newH2(c *client) *h2client {
	h := &h2client{client: c}
	h.transport = &http2.Transport{
		TLSClientConfig:    c.tlsConfig("h2"),
		DisableCompression: true,
		DialTLSContext: func(ctx context.Context, network, _ string, config *tls.Config) (net.Conn, error) {
			return h.dialTLS(ctx, network, config)
		},
	}
	return h
}

func (h *h2client) dialTLS(ctx context.Context, network string, config *tls.Config) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, h.Timeout)
	defer cancel()
	d := net.Dialer{KeepAlive: -1}
	nc, err := d.DialContext(ctx, network, h.addr)
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
	if before := h.current.Swap(c); before != nil && h.first != nil {
		if before.seen.Load() {
			h.counts.AnnouncedClose()
		} else {
			h.counts.ClosedIdle()
		}
	}
	if h.first != nil {
		h.first.opened(socket)
	}
	return c, nil
}

func (h *h2client) close() { h.transport.CloseIdleConnections() }

// asks returns the method and path of the requests.
func (h *h2client) asks() string {
	if h.URL != nil {
		return "GET " + h.path()
	}
	return "POST /echo"
}

// newRequest returns a POST whose body must come back, or a GET if only a URL is known.
func (h *h2client) newRequest(ctx context.Context, body []byte) (*http.Request, error) {
	if h.URL != nil {
		return http.NewRequestWithContext(ctx, http.MethodGet, h.URL.String(), nil)
	}
	// NewRequest sets GetBody for a *bytes.Reader.
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, "https://"+h.addr+"/echo", bytes.NewReader(body))
	if err == nil && req.GetBody == nil {
		return nil, errors.New("storm: a request without GetBody cannot be sent again")
	}
	return req, err
}

// roundTrip sends one request. The body must come back, unless only a URL is known.
func (h *h2client) roundTrip(body []byte) (received int64, err error) {
	ctx, cancel := context.WithTimeout(context.Background(), h.Timeout)
	defer cancel()
	conns := 0
	ctx = httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{GotConn: func(httptrace.GotConnInfo) { conns++ }})
	req, err := h.newRequest(ctx, body)
	if err != nil {
		return 0, err
	}
	resp, err := h.transport.RoundTrip(req)
	for range conns - 1 {
		h.counts.Resent()
	}
	if err != nil {
		return 0, err
	}
	defer resp.Body.Close()
	received, err = h.readBody(resp, body)
	return max(1, received), err // the head has arrived
}

func (h *h2client) readBody(resp *http.Response, want []byte) (received int64, err error) {
	if h.URL != nil {
		if received, err = io.Copy(io.Discard, resp.Body); err == nil && resp.StatusCode != http.StatusOK {
			err = fmt.Errorf("%w: status %d", tally.ErrWrong, resp.StatusCode)
		}
		return received, err
	}
	b, err := io.ReadAll(io.LimitReader(resp.Body, 1<<20))
	switch {
	case err != nil:
	case resp.StatusCode != http.StatusOK:
		err = fmt.Errorf("%w: status %d", tally.ErrWrong, resp.StatusCode)
	case !bytes.Equal(b, want):
		err = fmt.Errorf("%w: sent %d bytes, got %d that differ", tally.ErrWrong, len(want), len(b))
	}
	return int64(len(b)), err
}

func runHTTP2(e *env, class *Class, i int) {
	c := newClient(e, class, i)
	c.addr = e.TLS
	h := newH2(c)
	c.first.closeConn = h.close
	body := make([]byte, echoSize)
	if !c.sleep(c.between(0, ramp)) {
		return
	}
	for {
		fill(c.rng, body)
		start := time.Now()
		received, err := h.roundTrip(body)
		if class.Counts.Record(start, time.Now(), received, err) != tally.Answered {
			c.sleep(afterLoss)
		}
		if !c.sleep(c.between(e.sizes.ThinkMin, e.sizes.ThinkMax)) {
			return
		}
	}
}
