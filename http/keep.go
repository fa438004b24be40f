package restarthttp

import (
	"context"
	"errors"
	"net/http"
	"strings"
)

// ErrMoved is what reading from a WebSocket returns that moves to the successor,
// and writing to it after the handler has closed it. See [Keep].
var ErrMoved = errors.New("restart/http: the connection moves to the successor")

// Keep lets a restart continue what the handler of r is about to begin: a
// WebSocket, an event stream, or the wait of a long poll. The handler calls it
// before it writes anything or upgrades. When the process is replaced, the
// connection moves, and the successor calls its own handler with the same request,
// which calls Keep in turn. There, resumed is true and left is what save has
// returned, nil if that was nothing or save was nil. The client notices nothing:
// the second handshake or response header is not sent.
//
// It is the handler's choice because it must expect to be called twice for one
// request: a user who is resumed has not come anew, and has not left when
// the old handler returns. Middleware runs twice, too; see [Resumed].
//
// A WebSocket (RFC 6455) moves at the end of a message, with any library that reads
// from the hijacked connection when it wants more. Its read then fails with an
// error that wraps [ErrMoved]; no further message comes here. The handler should
// finish what it has in hand, which it can still write, and close the WebSocket:
// that moves the connection instead of closing it. A close frame that is written
// meanwhile is not sent. save is called in the course of that Close, after the
// last write has succeeded or failed with ErrMoved, so a count of what was
// written is exact. A library that keeps the error to itself leaves [Moved] to
// ask. A handler that does not close is not waited for longer than 10 s.
//
// A stream or a long poll moves when the handler returns. It should do that,
// without a last word, as soon as [restart.Draining] is closed. The response of a
// stream stays open for the successor's handler; it must be chunked, without
// compression. A long poll that has answered nothing yet begins anew in the
// successor. So a handler that means an empty answer must say so by status 204.
//
// What cannot move is told by restart.Draining in its turn, and a handler should
// then say goodbye (status 1001): all connections when the process stops
// for good, when the successor does not serve this listener or is built with an
// older version of this package, and when the request came by TLS without
// Server.MoveTLS, by HTTP/2, or had a body. So are WebSockets whose compression
// remembers earlier messages, whose handler uses the connection below (NetConn,
// SyscallConn), and those that are in the middle of a message for longer than
// Server.Linger and one second. If the
// handler of the successor does not call Keep, or answers anything else than
// before, a WebSocket gets status 1012 (Service Restart) and a stream ends.
//
// After ErrMoved the handler is called once more in any case: here if the
// successor refuses the connection. The one exception is a successor that dies
// while it takes the connection: the connection is closed.
//
// The request's header and what save returns may have 20 KiB together, with TLS
// 14 KiB less three times the client's certificates. save must not write to the
// connection.
func Keep(r *http.Request, save func() []byte) (left []byte, resumed bool) {
	c := connOf(r.Context())
	if c == nil {
		return nil, false
	}
	k := c.kept.Load()
	if k != nil && k.from != nil && !k.claimed.Swap(true) {
		k.save = save
		k.joinDrain()
		return k.from.State, true
	}
	if k != nil || !keepable(r) || !c.canKeep() {
		return nil, false
	}
	k = newKept(c, kindOf(r), save)
	k.head = c.snapshot
	if k.head == nil {
		k.head = requestHead(r)
	}
	if k.kind == keptWebSocket && c.snapshot == nil { // no upgrader was there to see its header
		return nil, false
	}
	if len(k.head) > maxHead || !k.followRecords() {
		return nil, false
	}
	c.kept.Store(k)
	k.joinDrain()
	return nil, false
}

// Moved reports whether the connection of a request that was given to [Keep] goes
// on in another process, or will. It is for code that learns of the end of a
// connection without the error, such as a callback of a WebSocket library. ctx is
// the request's context.
func Moved(ctx context.Context) bool {
	k := keptOf(ctx)
	return k != nil && k.over.Load()
}

// Resumed reports whether ctx is the context of a request that a handler of the
// predecessor has given to [Keep]. It is for middleware: such a request has been
// logged, counted and admitted once, and a ticket that it carries is used up.
func Resumed(ctx context.Context) bool {
	k := keptOf(ctx)
	return k != nil && k.from != nil
}

// keptOf returns what Keep has made of the request of ctx, nil if there is nothing.
func keptOf(ctx context.Context) *kept {
	c := connOf(ctx)
	if c == nil {
		return nil
	}
	return c.kept.Load()
}

// keepable reports whether r can be asked once more.
func keepable(r *http.Request) bool {
	return r.ProtoAtLeast(1, 1) && r.ProtoMajor == 1 && r.Method == http.MethodGet &&
		r.ContentLength == 0 && len(r.TransferEncoding) == 0 && !r.Close
}

func kindOf(r *http.Request) keptKind {
	if isWebSocket(r.Header) {
		return keptWebSocket
	}
	return keptStream
}

func isWebSocket(h http.Header) bool {
	return strings.EqualFold(h.Get("Upgrade"), "websocket") && h.Get("Sec-Websocket-Key") != ""
}

// canKeep reports whether c can move and net/http still has it.
func (c *conn) canKeep() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.life.mobility == movable && c.life.stage == stageBusy
}
