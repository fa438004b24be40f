package restarthttp

import (
	"bytes"
	"io"
	"sync"
	"sync/atomic"
)

// A goAway stands between an HTTP/2 server and a connection, and ends the
// connection so that no request is lost (RFC 9113, 6.8). net/http alone does not:
// it sends one GOAWAY with the last stream that it has seen, and discards what is
// on the wire above it.
//
// So tell sends the client a GOAWAY that excludes no stream, and a PING. The
// client begins no stream after that, and when it answers the PING all that it
// had begun has arrived. The server is given a GOAWAY of the client's in place of
// the answer: they are of one length. It then sends its own, which names the true
// last stream, and closes the connection when the streams have ended.
//
// A client that has begun no stream is told when it has: one that finds a new
// connection closed before its first request may take the server for broken, and
// net/http's does.
//
// If the stream or the answer does not come, http.Server.Shutdown does the rest in
// the end.
type goAway struct {
	below  io.ReadWriter
	onTell func() // called when the client is told; nil: nobody counts

	telling atomic.Bool // tell was called
	used    atomic.Bool // the client has begun a stream
	speaks  atomic.Bool // the client's preface has come whole
	awaits  atomic.Bool // PING was sent, and its answer is awaited

	// The reader's alone.
	preface  string // what has not come of the client's preface
	in       framing
	ahead    []byte // read, and not yet returned
	err      error  // what came after ahead
	ended    bool   // the server has been given the client's GOAWAY
	answered atomic.Bool

	mu    sync.Mutex // held while below writes, so that GOAWAY comes between frames
	stage goAwayStage
	out   framing // until goAwaySent
}

type goAwayStage uint8

const (
	goAwayNot  goAwayStage = iota
	goAwayDue              // as soon as a frame may be written
	goAwaySent             // and PING
)

// clientPreface begins every HTTP/2 connection (RFC 9113, 3.4).
const clientPreface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"

const pingData = "restart!"

// These are whole frames.
var (
	goAwayFrame  = []byte("\x00\x00\x08" + string(rune(frameGoAway)) + "\x00" + "\x00\x00\x00\x00" + "\x7f\xff\xff\xff" + "\x00\x00\x00\x00")
	pingFrame    = []byte("\x00\x00\x08" + string(rune(framePing)) + "\x00" + "\x00\x00\x00\x00" + pingData)
	pingAnswer   = []byte("\x00\x00\x08" + string(rune(framePing)) + string(rune(flagAck)) + "\x00\x00\x00\x00" + pingData)
	clientGoAway = []byte("\x00\x00\x08" + string(rune(frameGoAway)) + "\x00" + "\x00\x00\x00\x00" + "\x00\x00\x00\x00" + "\x00\x00\x00\x00")
)

// newGoAway returns one for a connection that has yet to bring that much of the
// client's preface.
func newGoAway(below io.ReadWriter, preface string, onTell func()) *goAway {
	g := &goAway{below: below, preface: preface, onTell: onTell}
	g.speaks.Store(preface == "")
	return g
}

// tell tells the client, once, when it has begun a stream. It may wait for another
// write to end.
func (g *goAway) tell() {
	g.telling.Store(true)
	g.tellUsed()
}

func (g *goAway) tellUsed() {
	if !g.telling.Load() || !g.used.Load() {
		return // whoever makes the other true calls again
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.stage != goAwayNot {
		return
	}
	call(g.onTell)
	g.stage = goAwayDue
	if g.out.admits() {
		_ = g.sendLocked() // the server finds out by itself that the connection is broken
	}
}

func (g *goAway) sendLocked() error {
	g.stage = goAwaySent
	g.awaits.Store(true)
	_, err := g.below.Write(append(bytes.Clone(goAwayFrame), pingFrame...))
	return err
}

// Write is called by the server.
func (g *goAway) Write(p []byte) (int, error) {
	if !g.speaks.Load() {
		return g.below.Write(p) // not HTTP/2, or not yet
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	switch g.stage {
	case goAwayNot:
		g.out.followAll(p)
		return g.below.Write(p)
	case goAwayDue:
		return g.writeDueLocked(p)
	}
	return g.below.Write(p)
}

// writeDueLocked writes p, and GOAWAY where a frame in it ends.
func (g *goAway) writeDueLocked(p []byte) (int, error) {
	n := 0
	for n < len(p) && !(n > 0 && g.out.admits()) {
		n += g.out.follow(p[n:])
	}
	written, err := g.below.Write(p[:n])
	if err != nil || !g.out.admits() {
		return written, err
	}
	if err := g.sendLocked(); err != nil {
		return written, err
	}
	if n == len(p) {
		return n, nil
	}
	more, err := g.below.Write(p[n:])
	return n + more, err
}

// Read is called by the server.
func (g *goAway) Read(p []byte) (int, error) {
	if len(g.ahead) > 0 {
		n := copy(p, g.ahead)
		g.ahead = g.ahead[n:]
		return n, nil
	}
	if err := g.err; err != nil {
		g.err = nil
		return 0, err
	}
	n, err := g.below.Read(p)
	if g.ended {
		return n, err
	}
	return g.look(p[:n], err)
}

// look looks for the answer to PING in what a read has brought.
func (g *goAway) look(p []byte, err error) (int, error) {
	b := p[g.skipPreface(p):]
	for len(b) > 0 {
		if g.in.between() && g.awaits.Load() {
			switch {
			case bytes.HasPrefix(b, pingAnswer):
				copy(b, clientGoAway)
				g.endStreams()
				return len(p), err
			case bytes.HasPrefix(pingAnswer, b):
				return g.lookFurther(p, len(b), err)
			}
		}
		b = b[g.in.follow(b):]
		g.noteUse()
	}
	return len(p), err
}

// noteUse is called when g.in has followed a frame, or a part of one.
func (g *goAway) noteUse() {
	if g.in.opened && !g.used.Swap(true) {
		g.tellUsed()
	}
}

// lookFurther reads on where the last n bytes of p may begin the answer.
func (g *goAway) lookFurther(p []byte, n int, err error) (int, error) {
	b := append(make([]byte, 0, len(pingAnswer)), p[len(p)-n:]...)
	for err == nil && len(b) < cap(b) && bytes.HasPrefix(pingAnswer, b) {
		var more int
		more, err = g.below.Read(b[len(b):cap(b)])
		b = b[:len(b)+more]
	}
	if bytes.Equal(b, pingAnswer) {
		copy(b, clientGoAway)
		g.endStreams()
	} else {
		g.in.followAll(b)
	}
	copy(p[len(p)-n:], b)
	if g.ahead = b[n:]; len(g.ahead) > 0 {
		g.err, err = err, nil
	}
	return len(p), err
}

func (g *goAway) endStreams() {
	g.ended = true
	g.answered.Store(true)
}

// skipPreface returns how many bytes of b belong to the client's preface. Where
// the client sends another one, this is not HTTP/2 and nothing is followed.
func (g *goAway) skipPreface(b []byte) int {
	n := min(len(b), len(g.preface))
	if string(b[:n]) != g.preface[:n] {
		g.ended = true
		return len(b)
	}
	if n == 0 {
		return 0
	}
	if g.preface = g.preface[n:]; g.preface == "" {
		g.speaks.Store(true)
	}
	return n
}
