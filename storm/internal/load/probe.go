package load

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"example.com/restart/storm/internal/rawhttp"
)

// A probe asks once, before the load, whether the server has what a class needs. What a server never had is not lost.

const probeTimeout = 5 * time.Second

func probe(ctx context.Context, addr string, r request) error {
	return probeOn(ctx, addr, false, r)
}

func probeOn(ctx context.Context, addr string, encrypted bool, r request) error {
	config := tlsConfig("http/1.1")
	if !encrypted {
		config = nil
	}
	conn, err := rawhttp.Dial(ctx, addr, config, probeTimeout)
	if err != nil {
		return err
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(probeTimeout))
	if err := conn.Write(r.bytes); err != nil {
		return err
	}
	resp, err := conn.ReadResponse(r.sink)
	if err != nil {
		return err
	}
	return judge(resp, r.check)
}

func probeRoot(ctx context.Context, e *env) error {
	if err := probe(ctx, e.plain, request{bytes: get(e.plain, "/")}); err != nil {
		return fmt.Errorf("GET /: %w", err)
	}
	return nil
}

func probeEcho(ctx context.Context, e *env) error {
	r := newEcho(e.plain, echoSize).next(rand.New(rand.NewPCG(1, 1)))
	if err := probe(ctx, e.plain, r); err != nil {
		return fmt.Errorf("POST /echo: %w", err)
	}
	return nil
}

func probeSlow(ctx context.Context, e *env) error {
	start := time.Now()
	if err := probe(ctx, e.plain, request{bytes: get(e.plain, "/slow?d=60ms")}); err != nil {
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
	if err := probe(ctx, e.plain, request{bytes: d.request(e.plain), sink: d.sink, check: d.check}); err != nil {
		return fmt.Errorf("GET /download: %w", err)
	}
	return nil
}

var errNoTLS = errors.New("no TLS address")

func probeTLS(ctx context.Context, e *env) error {
	if e.tls == "" {
		return errNoTLS
	}
	r := newEcho(e.tls, echoSize).next(rand.New(rand.NewPCG(1, 1)))
	if err := probeOn(ctx, e.tls, true, r); err != nil {
		return fmt.Errorf("POST /echo over TLS: %w", err)
	}
	return nil
}

func probeHTTP2(_ context.Context, e *env) error {
	if e.tls == "" {
		return errNoTLS
	}
	h := newH2(&client{env: &env{timeout: probeTimeout}, addr: e.tls})
	defer h.close()
	if _, err := h.roundTrip([]byte("probe")); err != nil {
		return fmt.Errorf("POST /echo over HTTP/2: %w", err)
	}
	return nil
}

func probeWS(_ context.Context, e *env) error {
	w, err := dialWS(&env{timeout: probeTimeout}, e.plain, nil)
	if err != nil {
		return fmt.Errorf("%w: %w", errNoWS, err)
	}
	defer func() { _ = w.CloseNow() }()
	if _, err := w.say([]byte("probe"), probeTimeout); err != nil {
		return fmt.Errorf("%w: %w", errNoWS, err)
	}
	return nil
}
