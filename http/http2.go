package restarthttp

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"sync"
	"time"
)

// How a goAway gets between net/http and a connection that speaks HTTP/2. Without
// TLS, conn passes what is read and written through it. With TLS it must be above
// crypto/tls, and net/http has a *tls.Conn only. But the HTTP/2 of net/http, and
// that of golang.org/x/net, also serve a connection without TLS, which they take
// out of a *tls.Conn that encrypts nothing. They agree on how, each being used
// with many versions of the other; it is promised to nobody else. So
// selfCheckHTTP2 tries it. Where it fails, such connections are told by
// http.Server.Shutdown, after Linger.

// plainHTTP2 is the key in http.Server.TLSNextProto of what serves HTTP/2 without
// TLS.
const plainHTTP2 = "unencrypted_http2"

// A carrier is what they look for below a *tls.Conn.
type carrier struct {
	net.Conn // nil: nothing else is asked of it
	carried  net.Conn
}

func (c carrier) UnencryptedNetConn() net.Conn { return c.carried }

func carry(c net.Conn) *tls.Conn { return tls.Client(carrier{carried: c}, nil) }

// A secureHTTP2 is a connection with TLS that speaks HTTP/2. net/http asks it for
// its ConnectionState.
type secureHTTP2 struct {
	*tls.Conn
	goAway  *goAway
	preface [len(clientPreface)]byte
	n       int // how much of the preface has come
}

var errNotHTTP2 = errors.New("restart/http: read the HTTP/2 preface: the client has sent something else")

// Read hides the client's preface: whoever serves without TLS has seen it.
func (c *secureHTTP2) Read(p []byte) (int, error) {
	for c.n < len(clientPreface) {
		n, err := c.Conn.Read(c.preface[c.n:])
		c.n += n
		if string(c.preface[:c.n]) != clientPreface[:c.n] {
			return 0, errNotHTTP2
		}
		if err != nil {
			return 0, err
		}
	}
	return c.goAway.Read(p)
}

func (c *secureHTTP2) Write(p []byte) (int, error) { return c.goAway.Write(p) }

// followHTTP2 puts a goAway above TLS. net/http has made s.TLSNextProto, and
// nothing has been accepted.
func (r *run) followHTTP2(s *http.Server) {
	secure, plain := s.TLSNextProto["h2"], s.TLSNextProto[plainHTTP2]
	if secure == nil || plain == nil || !selfCheckHTTP2() {
		return
	}
	s.TLSNextProto["h2"] = func(s *http.Server, t *tls.Conn, h http.Handler) {
		c := unwrap(t)
		if c == nil {
			secure(s, t, h)
			return
		}
		g := newGoAway(t, "", r.conns.announced)
		c.endsBy(g)
		plain(s, carry(&secureHTTP2{Conn: t, goAway: g}), h)
	}
}

// noteHTTP2Locked is called after a read that brought b, when before bytes of
// http2Preface had come. It returns a goAway if the connection turns out to
// begin as HTTP/2 does.
func (c *conn) noteHTTP2Locked(b []byte, before int) *goAway {
	if c.http2 != nil || before == notHTTP2 || !c.life.sawPreface() {
		return nil
	}
	c.http2 = newGoAway(c.Conn, clientPreface[len(http2Preface):], c.home.announced)
	c.http2.look(b[len(http2Preface)-before:], nil)
	return c.http2
}

// endsBy says how to tell the client that the connection ends, which is done at
// once if the drain has had its turn for it.
func (c *conn) endsBy(g *goAway) {
	c.mu.Lock()
	c.goAway = g
	c.mu.Unlock()
	c.tellHTTP2()
}

// tellHTTP2 tells the client of an HTTP/2 connection if the drain has begun for
// it.
func (c *conn) tellHTTP2() {
	c.mu.Lock()
	g, m := c.goAway, c.life.mode
	c.mu.Unlock()
	if g != nil && m != modeServe {
		go g.tell() // it may wait for the client to read
	}
}

// closeUnanswered closes a hijacked connection with HTTP/2 whose client has not
// answered. http.Server.Shutdown does not know it.
func (c *conn) closeUnanswered() {
	c.mu.Lock()
	hijacked := c.life.stage == stageHijacked
	c.mu.Unlock()
	if hijacked && c.http2 != nil && !c.http2.answered.Load() {
		c.Close()
	}
}

// selfCheckHTTP2 reports whether net/http serves HTTP/2 on a carried connection,
// and ends it when the client sends GOAWAY. It is tried out once in a process,
// over memory.
var selfCheckHTTP2 = sync.OnceValue(func() bool {
	s := &http.Server{Handler: http.NotFoundHandler(), Protocols: new(http.Protocols)}
	s.Protocols.SetUnencryptedHTTP2(true)
	none := newConnListener(&net.TCPAddr{})
	none.Close()
	s.Serve(none) // makes TLSNextProto
	serve := s.TLSNextProto[plainHTTP2]
	if serve == nil {
		return false
	}
	client, server := net.Pipe()
	defer client.Close()
	client.SetDeadline(time.Now().Add(5 * time.Second))
	go func() {
		defer server.Close()
		serve(s, carry(server), s.Handler)
	}()
	go func() {
		settings := make([]byte, frameHeader)
		settings[3] = 0x4
		client.Write(append(settings, clientGoAway...))
	}()
	for first := true; ; first = false {
		head := make([]byte, frameHeader)
		if _, err := io.ReadFull(client, head); err != nil {
			return false
		}
		if first && head[3] != 0x4 {
			return false
		}
		if head[3] == frameGoAway {
			return true
		}
		size := int64(head[0])<<16 | int64(head[1])<<8 | int64(head[2])
		if _, err := io.CopyN(io.Discard, client, size); err != nil {
			return false
		}
	}
})

// baseContext returns an http.Server.BaseContext that calls base, which may be
// nil, once. net/http calls it before it accepts, and after it has made what
// followHTTP2 changes.
func (r *run) baseContext(s *http.Server, base func(net.Listener) context.Context) func(net.Listener) context.Context {
	if base == nil {
		base = func(net.Listener) context.Context { return context.Background() }
	}
	// Once, as the program expects, and not for parked as well.
	once := sync.OnceValue(func() context.Context { return base(r.listener.Listener) })
	return func(ln net.Listener) context.Context {
		if _, parked := ln.(*parked); !parked && r.server.speaksTLS() {
			r.followHTTP2(s)
		}
		return once()
	}
}
