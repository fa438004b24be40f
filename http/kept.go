package restarthttp

import (
	"errors"
	"io"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"example.com/restart/internal/tlsrec"
)

// A kept is what a conn has besides, from Keep on, for the request that was given
// to it.
//
// It follows what goes over the connection, in both directions, to know when
// nothing is under way: at the end of a message or of a chunk. It relies on the
// protocols, not on libraries: one that asks for bytes after the end of a
// message has no bytes of a next one.
type kept struct {
	c    *conn
	kind keptKind
	head []byte // see requestHead
	save func() []byte

	// In a successor, or here after a move that failed.
	from    *keptRequest
	claimed atomic.Bool   // the handler has called Keep
	gate    chan struct{} // closed when the handler may read what the client sends; nil: it may
	poke    chan struct{} // a read deadline has passed at the gate
	refused chan struct{} // closed when the handler does not go on as agreed

	hijacked atomic.Bool
	leaving  atomic.Bool // a drain wants it to move
	over     atomic.Bool // the handler has been told: what follows is somebody else's
	stays    atomic.Bool // it cannot move any more
	dead     atomic.Bool // nothing is read or written any more: the handler sees an end
	idled    atomic.Bool // net/http has finished the response and is to close

	reading sync.Mutex // held by a read of a WebSocket
	in      frames

	writing sync.Mutex // held by a write
	out     response
	records *records // not nil: what crypto/tls writes is followed

	emptying bool // crypto/tls reads no further than to the end of a record; its reader's alone

	// What the handler of a WebSocket has that came with TLS, see conn.unseal.
	unsealed atomic.Pointer[tlsrec.Conn]
}

// How long a move waits for the end of a message that is being written, and for
// a handler to close. Variables for tests.
var (
	writeBound = 5 * time.Second
	closeBound = 10 * time.Second
)

// turnBound is how long others wait for a WebSocket that is not at the end of a
// message.
const turnBound = 20 * time.Millisecond

func newKept(c *conn, kind keptKind, save func() []byte) *kept {
	k := &kept{c: c, kind: kind, save: save}
	k.out.settled = make(chan struct{}, 1)
	return k
}

// resumeKept makes a kept of what has moved here.
func resumeKept(c *conn, q *keptRequest) *kept {
	k := newKept(c, q.Kind, nil)
	k.from, k.head = q, q.Head
	k.refused = make(chan struct{})
	if q.Kind == keptWebSocket {
		k.gate, k.poke = make(chan struct{}), make(chan struct{}, 1)
	}
	return k
}

// joinDrain makes a stream move at once where a drain has begun already.
func (k *kept) joinDrain() {
	if k.kind == keptStream && k.c.mode() == modeMove && k.leave() {
		k.c.tellAtOnce()
	}
}

// hijack notes that the connection is the handler's, which finds early in a
// buffer. It reports whether it can move as a WebSocket.
func (k *kept) hijack(early []byte) bool {
	if k.kind != keptWebSocket {
		if k.from == nil {
			k.c.kept.Store(nil)
			return false
		}
		k.stays.Store(true)
	}
	k.in.follow(early)
	k.hijacked.Store(true)
	if k.gate != nil {
		close(k.gate)
	}
	return !k.stays.Load() && k.c.movable()
}

// leave begins the move, which ends when the conn is closed. It reports false if
// there can be none.
func (k *kept) leave() bool {
	if k.stays.Load() || !k.c.movable() || !k.c.home.moveKept.Load() || k.from != nil && !k.claimed.Load() {
		return false
	}
	if k.leaving.Swap(true) {
		return true
	}
	if k.kind == keptStream {
		k.over.Store(true)
		return true
	}
	if k.hijacked.Load() { // otherwise its first read sees it
		k.c.interrupt()
	}
	time.AfterFunc(k.c.home.lingerTime()+time.Second, k.giveUp)
	return true
}

// giveUp lets the handler say goodbye if it does not come to the end of a message.
func (k *kept) giveUp() {
	k.writing.Lock() // excludes part
	over := k.over.Load()
	if !over {
		k.leaving.Store(false)
		k.stays.Store(true)
	}
	k.writing.Unlock()
	if !over {
		k.c.stayHijacked()
	}
}

// readAhead is net/http's read, before a hijack.
func (k *kept) readAhead(p []byte) (int, error) {
	if k.idled.Load() {
		return 0, io.EOF
	}
	if k.emptying {
		if p = p[:min(len(p), k.c.tapped.tap.Missing())]; len(p) == 0 {
			return 0, os.ErrDeadlineExceeded
		}
	}
	if k.gate == nil || len(k.c.ahead) > 0 {
		return k.c.read(p)
	}
	// net/http reads while a handler runs that has not taken the connection over.
	// It must not get what is the handler's: some libraries take that for a fault of
	// the client.
	select {
	case <-k.gate:
		return k.c.read(p)
	case <-k.refused:
		return 0, io.EOF
	case <-k.poke:
		return 0, os.ErrDeadlineExceeded
	}
}

// deadlineSet tells a read at the gate of a new read deadline.
func (k *kept) deadlineSet(t time.Time) {
	if k.gate == nil {
		return
	}
	select {
	case <-k.poke:
	default:
	}
	if !t.IsZero() && !t.After(time.Now()) {
		k.poke <- struct{}{}
	}
}

// read is the read of a WebSocket's handler.
func (k *kept) read(p []byte) (int, error) {
	k.reading.Lock()
	defer k.reading.Unlock()
	for {
		switch {
		case k.leaving.Load() && k.in.whole() && k.part():
			return 0, ErrMoved
		case k.dead.Load():
			return 0, io.EOF
		}
		n, err := k.c.wire().Read(p)
		if n > 0 {
			k.in.follow(p[:n])
			return n, err
		}
		if err == nil || !errors.Is(err, os.ErrDeadlineExceeded) || !k.c.endInterrupt() {
			return n, err
		}
	}
}

// part is the moment from which on the handler reads nothing.
func (k *kept) part() bool {
	if k.over.Load() {
		return true
	}
	k.writing.Lock()
	defer k.writing.Unlock()
	if k.out.stage != stageFrames || k.out.frames.closes || !k.leaving.Load() {
		return false
	}
	k.over.Store(true)
	time.AfterFunc(closeBound, func() { k.c.Close() })
	return true
}

// idle is net/http's change to http.StateIdle. It reports whether net/http is to
// close the connection: it moves, or is not wanted here.
func (k *kept) idle() bool {
	if !k.unwanted() && !k.finished() {
		return false
	}
	if k.c.tapped == nil { // otherwise its read is the probe
		k.idled.Store(true)
	}
	return true
}

// finished reports whether the response of a stream was ended for the client by
// nobody, so that it can go on elsewhere. It cannot if the client has sent another
// request already.
func (k *kept) finished() bool {
	k.writing.Lock()
	defer k.writing.Unlock()
	if k.kind != keptStream || !k.out.ended {
		return false
	}
	if k.records == nil && k.c.sentEarly() {
		k.endLocked()
		return false
	}
	return true
}

// end ends a stream that was to go on elsewhere, if that is still to be done.
func (k *kept) end() {
	k.writing.Lock()
	defer k.writing.Unlock()
	if k.kind == keptStream && k.out.ended {
		k.endLocked()
	}
}

func (k *kept) endLocked() {
	if k.records != nil {
		_ = k.records.releaseAll(k.c.Conn) // a client that is gone shows in the next read
	} else {
		_, _ = k.pass(k.out.back)
	}
	k.out.ended = false
}

// unwanted reports whether the handler did not go on with what moved here.
func (k *kept) unwanted() bool {
	k.writing.Lock()
	defer k.writing.Unlock()
	return k.from != nil && k.from.Sent && !k.out.ended && (k.out.stage == stageDiscard || k.out.stage == stageHead)
}

// close is what Close does with a connection that is kept. It reports false if the
// socket is to be closed.
func (k *kept) close() bool {
	if k.kind == keptWebSocket && k.over.Load() || k.finished() {
		return k.depart()
	}
	if k.unwanted() {
		k.goodbye()
	}
	return false
}

// depart moves the connection, whose handler has closed it or returned.
func (k *kept) depart() bool {
	if k.kind == keptWebSocket && !k.endWrites() {
		k.dead.Store(true)
	}
	q := &keptRequest{Kind: k.kind, Head: k.head, Sent: !k.out.empty, agreement: k.out.agreed}
	if k.save != nil {
		q.State = k.save()
	}
	return k.c.home.departKept(k.c, q, k.dead.Load())
}

// goodbye tells the client of a connection that the handler did not go on with,
// so that it comes again.
func (k *kept) goodbye() {
	k.c.Conn.SetWriteDeadline(time.Now().Add(time.Second))
	if k.kind == keptWebSocket {
		k.c.Conn.Write([]byte{0x80 | opClose, 2, 0x03, 0xf4}) // 1012, Service Restart
	} else {
		io.WriteString(k.c.Conn, lastChunkBytes)
	}
	halfClose(k.c.Conn)
}

// halfClose ends the outbound direction.
func halfClose(c net.Conn) {
	if h, ok := c.(interface{ CloseWrite() error }); ok {
		_ = h.CloseWrite() // it is closed next
	}
}
