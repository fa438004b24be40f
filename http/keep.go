package restarthttp

import (
	"context"
	"errors"
	"net/http"
	"strings"
)

// ErrMoved is the error of a read from a WebSocket that is to move to the successor,
// and of a write after the handler has closed it. See [Keep].
var ErrMoved = errors.New("restart/http: the connection moves to the successor")

// Keep lets a restart continue what the handler of r is about to begin: a
// WebSocket, an event stream, or the wait of a long poll. The handler calls it
// before it writes anything or upgrades. When the process is replaced, the
// connection moves, and the successor calls its own handler with the same request.
// That handler calls Keep too. There, resumed is true, and left is what save
// returned in the old process; a nil save leaves nil. The client notices nothing: the
// second handshake or response header is not sent.
//
// A handler must ask for this because it is then called twice for one request: a
// user who is resumed has not come anew, and has not left when the old handler
// returns. Middleware runs twice, too; see [Resumed].
//
// # WebSockets
//
// A WebSocket (RFC 6455) moves at the end of a message, with any library that reads
// from the hijacked connection when it wants more. The handler's read then fails
// with an error that wraps [ErrMoved], and no further message comes here. The
// handler should finish what it has in hand, which it can still write, and close
// the WebSocket. That moves the connection instead of closing it; a close frame
// that is written meanwhile is not sent. A handler that does not close has 10
// seconds.
//
// The Close calls save. By then the last write has succeeded or failed with
// ErrMoved, so a count of what was written is exact. Where a library does not pass
// the error on, ask [Moved].
//
// # Streams and long polls
//
// A stream or a long poll moves when the handler returns. The handler should return
// as soon as [restart.Draining] is closed, without writing anything more. The
// response of a stream stays open for the successor's handler; it must be chunked
// and not compressed. A long poll that has answered nothing yet begins anew in the
// successor. So a handler that means to answer nothing must say so by status 204.
//
// # What does not move
//
// The handler of a connection that cannot move learns of the drain by
// restart.Draining, and should say goodbye, with status 1001 on a WebSocket. No
// connection moves when the process stops for good, or when the successor does not
// serve this listener or has an older version of this package. Nor does one whose
// request came by HTTP/2, by TLS without Server.MoveTLS, or with a body. Nor does a
// WebSocket whose compression remembers earlier messages, whose handler uses the
// connection below (NetConn, SyscallConn), or that is in the middle of a message
// for longer than Server.Linger and one second.
//
// If the successor's handler does not call Keep, or answers anything else than the
// old one, a WebSocket gets status 1012 (Service Restart), and a stream ends.
//
// If the successor refuses the connection, the handler is called again in this
// process. If the successor dies while it takes the connection, the connection is
// closed, and no handler is called.
//
// The request's header and what save returns may have 20 KiB together; with TLS, 14
// KiB less three times the size of the client's certificates. save must not write to
// the connection.
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

// Moved reports whether a connection that was given to [Keep] has moved to the
// successor or is about to. ctx is the request's context. Moved is for code that
// learns of the end of a connection without the error, such as a callback of a
// WebSocket library.
func Moved(ctx context.Context) bool {
	k := keptOf(ctx)
	return k != nil && k.over.Load()
}

// Resumed reports whether a handler has given this request to [Keep] before, mostly
// in the predecessor. ctx is the request's context. Resumed is for middleware: such
// a request has already been logged, counted and admitted, and a one-time ticket
// that it carries is used up.
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
