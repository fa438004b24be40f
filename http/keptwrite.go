package restarthttp

import (
	"bytes"
	"errors"
	"io"
	"net"
	"net/http"
	"slices"
	"time"
)

// A response is what was written on a connection that is kept.
type response struct {
	stage  outStage
	first  []byte // of the head, until that is whole
	agreed agreement
	frames frames
	chunks chunks

	ahead   []byte        // a frame's header that goes out with its payload
	both    [2][]byte     // for pass: it need not be allocated for each message
	held    []byte        // the beginning of a frame's header that may be a close frame's
	ended   bool          // no frame may begin any more; the end of a stream was held back
	back    []byte        // what was held back
	empty   bool          // back is a whole response, which says nothing
	settled chan struct{} // gets a value when a message ends
}

// An outStage says what the next write continues.
type outStage uint8

const (
	stageHead    outStage = iota
	stageFrames           // of a WebSocket
	stageChunks           // of a stream
	stageFree             // something that cannot move
	stageDiscard          // something that nobody is to get
)

const (
	maxResponseHead = 64 << 10
	lastChunkBytes  = "0\r\n\r\n"
)

// errDisagrees is for libraries that write the head of the response only after
// they have taken the connection over.
var errDisagrees = errors.New("restart/http: resume a WebSocket: the handler's response differs from the predecessor's")

// write is the handler's write, and net/http's.
func (k *kept) write(p []byte) (done int, err error) {
	k.writing.Lock()
	defer k.writing.Unlock()
	return k.writeLocked(p)
}

// writeLocked continues the response. It and all that it calls need k.writing.
func (k *kept) writeLocked(p []byte) (done int, err error) {
	for len(p) > 0 && err == nil {
		var n int
		switch k.out.stage {
		case stageHead:
			n, err = k.writeHead(p)
		case stageFrames:
			n, err = k.writeFrames(p)
		case stageChunks:
			n, err = k.writeChunks(p)
		case stageFree:
			n, err = k.pass(p)
		case stageDiscard:
			n = len(p)
			if k.hijacked.Load() {
				n, err = 0, io.ErrClosedPipe
			}
		}
		done, p = done+n, p[n:]
	}
	return done, err
}

// pass sends b or, of what crypto/tls has encrypted already, lets b go out.
func (k *kept) pass(b []byte) (int, error) {
	if k.records != nil {
		k.records.passed += len(b)
		return len(b), nil
	}
	if len(k.out.ahead) == 0 {
		return k.c.wire().Write(b)
	}
	k.out.both = [2][]byte{k.out.ahead, b}
	all := net.Buffers(k.out.both[:])
	n, err := all.WriteTo(k.c.wire())
	n -= int64(len(k.out.ahead))
	k.out.ahead = k.out.ahead[:0]
	return int(max(n, 0)), err
}

// writeHead passes the head of a response on or, if the client has it already,
// compares it.
func (k *kept) writeHead(p []byte) (int, error) {
	before := len(k.out.first)
	k.out.first = append(k.out.first, p...)
	const begin = "HTTP/1.1 "
	if n := min(len(k.out.first), len(begin)); string(k.out.first[:n]) != begin[:n] {
		return k.free(p) // Keep was called too late
	}
	end := bytes.Index(k.out.first, []byte("\r\n\r\n"))
	switch {
	case end < 0 && len(k.out.first) > maxResponseHead:
		return k.free(p)
	case end < 0:
		return len(p), nil // with the rest
	}
	end += 4
	head := k.out.first[:end]
	resp, err := parseHead(head)
	if err != nil {
		return k.free(p)
	}
	k.out.first = nil
	return end - before, k.headWritten(head, resp)
}

func (k *kept) headWritten(head []byte, resp *http.Response) error {
	informs := resp.StatusCode != http.StatusSwitchingProtocols && resp.StatusCode < 200 // another one follows
	resumed := k.from != nil && k.from.Sent
	switch {
	case informs && resumed:
		return nil
	case informs:
		_, err := k.pass(head)
		return err
	case resumed:
		return k.compare(resp)
	case k.kind == keptStream && k.leaving.Load() && resp.StatusCode == http.StatusOK && resp.ContentLength == 0:
		// The handler has written nothing.
		k.out.ended, k.out.empty, k.out.back, k.out.stage = true, true, head, stageDiscard
		return nil
	}
	k.agree(resp)
	_, err := k.pass(head)
	return err
}

// free gives up, and passes on what was kept back.
func (k *kept) free(p []byte) (int, error) {
	b := k.out.first
	k.out.first, k.out.stage = nil, stageFree
	k.stays.Store(true)
	if k.from != nil && k.from.Sent {
		return len(p), k.disagree()
	}
	_, err := k.pass(b)
	return len(p), err
}

// agree notes what a head says, and what follows it.
func (k *kept) agree(resp *http.Response) {
	h := resp.Header
	k.out.agreed = agreementOf(h)
	switch {
	case k.kind == keptWebSocket && resp.StatusCode == http.StatusSwitchingProtocols && stateless(h["Sec-Websocket-Extensions"]):
		k.out.stage = stageFrames
	case k.kind == keptStream && resp.StatusCode == http.StatusOK && slices.Equal(resp.TransferEncoding, []string{"chunked"}) &&
		h.Get("Content-Encoding") == "" && len(resp.Trailer) == 0:
		k.out.stage = stageChunks
	default:
		k.out.stage = stageFree
		k.stays.Store(true)
	}
}

// compare takes the head of a response that the client has from the predecessor.
func (k *kept) compare(resp *http.Response) error {
	k.agree(resp)
	if k.out.stage == stageFree || !k.claimed.Load() || !k.out.agreed.same(k.from.agreement) {
		return k.disagree()
	}
	return nil
}

// disagree ends what the successor does not go on with. The client is told when
// the connection closes.
func (k *kept) disagree() error {
	k.out.stage = stageDiscard
	k.stays.Store(true)
	k.dead.Store(true)
	close(k.refused)
	if k.hijacked.Load() {
		return errDisagrees
	}
	return nil
}

func (k *kept) writeFrames(p []byte) (int, error) {
	switch {
	case k.dead.Load():
		return 0, io.ErrClosedPipe
	case k.over.Load():
		return k.writeLast(p)
	}
	out := &k.out
	alone := out.frames.between() && len(p) >= 2 && len(p) == headerSize(p[1])
	if alone && len(out.ahead) == 0 && p[1]&0x7f > 0 {
		// The library writes a header and the payload at once, but net.Buffers
		// makes two writes of that for who is not of package net. A header alone
		// says nothing, so it can wait for the second one, which makes one system
		// call of both.
		out.ahead = append(out.ahead, p...)
		out.frames.follow(p)
		return len(p), nil
	}
	n, err := k.pass(p)
	out.frames.follow(p[:n])
	if out.frames.closes {
		k.stays.Store(true)
	}
	return n, err
}

// writeLast passes on the frames of a connection that is about to move, up to a
// close frame.
func (k *kept) writeLast(p []byte) (done int, err error) {
	var pass []byte
	out := &k.out
	for len(p) > 0 && err == nil {
		n := 1
		switch {
		case out.frames.left > 0:
			n = int(min(out.frames.left, uint64(len(p))))
			fallthrough
		case out.frames.n > 0: // a header that is half on its way
			out.frames.follow(p[:n])
			pass = append(pass, p[:n]...)
		case out.ended && !out.frames.within && len(out.held) == 0:
			n, err = 0, ErrMoved
		default:
			out.held = append(out.held, p[0])
			if len(out.held) < 2 || len(out.held) < headerSize(out.held[1]) {
				break
			}
			if opcode(out.held) == opClose {
				n, out.ended, err = 0, true, ErrMoved
			} else {
				out.frames.follow(out.held)
				pass = append(pass, out.held...)
			}
			out.held = nil
		}
		done, p = done+n, p[n:]
	}
	if len(pass) > 0 {
		if _, err := k.pass(pass); err != nil {
			out.frames.broken = true
			return 0, err
		}
	}
	if out.frames.whole() {
		select {
		case out.settled <- struct{}{}:
		default:
		}
	}
	return done, err
}

// writeChunks passes chunks on, but holds back the last one of a stream that is
// about to move.
func (k *kept) writeChunks(p []byte) (int, error) {
	last := passLast
	if k.leaving.Load() {
		last = stopBefore
	}
	n := k.out.chunks.follow(p, last)
	if n > 0 {
		if m, err := k.pass(p[:n]); err != nil {
			k.out.chunks.stage = chunkBroken
			return m, err
		}
	}
	if n < len(p) && k.out.chunks.between() {
		k.out.ended, k.out.back, k.out.stage = true, []byte(lastChunkBytes), stageDiscard
	}
	return n, nil
}

// endWrites lets no message begin any more and waits for the end of the one that
// is being written. It reports whether that came.
func (k *kept) endWrites() bool {
	bound := time.NewTimer(writeBound)
	defer bound.Stop()
	stuck := time.AfterFunc(writeBound, func() { k.c.wire().SetWriteDeadline(time.Unix(1, 0)) })
	defer stuck.Stop()
	for {
		k.writing.Lock()
		k.out.ended = true
		whole := k.out.frames.whole() && len(k.out.held) == 0
		broken := k.out.frames.broken || k.out.frames.closes
		k.writing.Unlock()
		if whole || broken {
			return whole
		}
		select {
		case <-k.out.settled:
		case <-bound.C:
			return false
		}
	}
}
