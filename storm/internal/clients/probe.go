package clients

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"example.com/restart/storm/internal/rawhttp"
)

// A probe asks once, before the load starts, whether the server has what a class needs. An endpoint that the server never
// had is not a loss.

const probeTimeout = 5 * time.Second

func probe(ctx context.Context, addr string, config *tls.Config, r request) error {
	conn, err := rawhttp.Dial(ctx, addr, config, probeTimeout)
	if err != nil {
		return err
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(probeTimeout))
	resp, err := conn.RoundTrip(r.bytes, r.sink)
	if err != nil {
		return err
	}
	return judge(resp, r.check)
}

func probeGet(ctx context.Context, e *env) error {
	addr, config := e.baseAddr()
	return probeGetOn(ctx, e, addr, config)
}

func probeGetOn(ctx context.Context, e *env, addr string, config *tls.Config) error {
	if err := probe(ctx, addr, config, request{bytes: get(e.host(addr), e.path())}); err != nil {
		return fmt.Errorf("GET %s: %w", e.path(), err)
	}
	return nil
}

func probeEcho(ctx context.Context, e *env) error {
	r := newEcho(e.Plain, echoSize).next(rand.New(rand.NewPCG(1, 1)))
	if err := probe(ctx, e.Plain, nil, r); err != nil {
		return fmt.Errorf("POST /echo: %w", err)
	}
	return nil
}

func probeSlow(ctx context.Context, e *env) error {
	start := time.Now()
	if err := probe(ctx, e.Plain, nil, request{bytes: get(e.Plain, "/slow?d=60ms")}); err != nil {
		return fmt.Errorf("GET /slow: %w", err)
	}
	if time.Since(start) < 50*time.Millisecond {
		return errors.New("GET /slow answers at once")
	}
	return nil
}

func probeDownload(ctx context.Context, e *env) error {
	d := &throttled{size: 1000, rate: 1 << 40, sleep: time.Sleep}
	d.reset()
	if err := probe(ctx, e.Plain, nil, request{bytes: d.request(e.Plain), sink: d.sink, check: d.check}); err != nil {
		return fmt.Errorf("GET /download: %w", err)
	}
	return nil
}

func probeTLS(ctx context.Context, e *env) error {
	if e.TLS == "" {
		return errNoTLS
	}
	config := e.tlsConfig("http/1.1")
	if e.URL != nil {
		return probeGetOn(ctx, e, e.TLS, config)
	}
	r := newEcho(e.TLS, echoSize).next(rand.New(rand.NewPCG(1, 1)))
	if err := probe(ctx, e.TLS, config, r); err != nil {
		return fmt.Errorf("POST /echo over TLS: %w", err)
	}
	return nil
}

func probeHTTP2(_ context.Context, e *env) error {
	if e.TLS == "" {
		return errNoTLS
	}
	once := *e
	once.Timeout = probeTimeout
	h := newH2(&client{env: &once, addr: e.TLS})
	defer h.close()
	if _, err := h.roundTrip([]byte("probe")); err != nil {
		return fmt.Errorf("%s over HTTP/2: %w", h.asks(), err)
	}
	return nil
}

func probeWS(_ context.Context, e *env) error {
	once := *e
	once.Timeout = probeTimeout
	w, err := openWS(&once, nil)
	if err != nil {
		return fmt.Errorf("no WebSocket at /ws: %w", err)
	}
	defer func() { _ = w.CloseNow() }()
	if _, err := w.say([]byte("probe"), probeTimeout); err != nil {
		return fmt.Errorf("no WebSocket at /ws: %w", err)
	}
	return nil
}

func probeWSMove(_ context.Context, e *env) error {
	once := *e
	once.Timeout = probeTimeout
	if err := askCount(&once); err != nil {
		return fmt.Errorf("no WebSocket at %s: %w", countPath, err)
	}
	return nil
}
