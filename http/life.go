package restarthttp

// A life is the state machine of one connection: what net/http does with it,
// what was read while it waits for a request, and what a drain wants of it.
// Events go in as calls, a verdict comes out, and conn carries that out. A life
// knows no lock, no socket and no clock: a verdict names the read deadline that
// must be in force, and conn knows when that is.
//
// A connection moves without a fork of net/http: a read deadline in the past
// makes net/http's blocked read fail with nothing read. net/http then gives the
// connection up without a word to the client and closes it, and that close moves
// it instead. This is right only if no byte of a request is in net/http's
// buffer, which shows in the length of the slice that net/http passes to Read.
// Nothing of that is promised, so selfcheck.go tries it before it is relied upon.
type life struct {
	stage    stage
	awaits   awaits   // in stageParked and stageWaiting
	wait     wait     // in stageParked and stageWaiting
	mode     mode     // what a drain wants
	mobility mobility // what is possible

	announced announcement // by the last response

	// sealed says that what is read are records of TLS: neither bytes nor lengths
	// tell anything of a request, see conn.lookLocked.
	sealed bool

	// full is the size of net/http's empty read buffer. A read into less means
	// that bytes of a next request have been taken out of the socket already.
	// Zero means the size of the first read, which is smaller where net/http
	// looks for HTTP/2 without TLS: only the self-check relies on that.
	full    int
	last    [3]byte // read last, the newest at the end: these may be in the buffer
	preface int     // bytes of http2Preface seen so far; notHTTP2: it is something else
}

// A stage says who has the connection.
type stage uint8

const (
	stageWaiting  stage = iota // net/http waits for a request
	stageParked                // it waits for a request, but net/http has not got it yet
	stageBusy                  // a request is read or answered
	stageHijacked              // the handler has it
	stageHTTP2                 // net/http's HTTP/2 has it
	stageProbed                // net/http answers the probe, see tapped
	stageTaken                 // the handler of the probe has it
	stageClosed                // nobody has it: it was closed or has moved
)

// An awaits says which request a connection waits for.
type awaits uint8

const (
	awaitsFirst awaits = iota
	awaitsNext
)

// A wait says how far the wait for a request is.
type wait uint8

const (
	waitBegins  wait = iota // nothing has come
	waitBlocks              // nothing has come, and net/http has set the deadline of its wait
	waitEnded               // nothing has come, and the read was ended: Close moves
	waitTouched             // records of TLS have come, perhaps of the request; or its handshake begins
	waitOver                // bytes of the request have come
)

// A mode says what a drain does with a connection that waits.
type mode uint8

const (
	modeServe  mode = iota // nothing: there is no drain, or its turn has not come
	modeMove               // move it to the successor at once
	modeLinger             // close it when nothing comes for the linger time
)

// A mobility says whether a connection can move.
type mobility uint8

const (
	movable mobility = iota
	fixed            // it has TLS or HTTP/2, or the successor refused it
)

// http2Preface begins every unencrypted HTTP/2 connection (RFC 9113, 3.4). No
// other request has a method PRI.
const http2Preface = "PRI "

const notHTTP2 = -1

// newLife returns the life of a new connection. One with TLS cannot move before its
// handshake is over: a probe in the middle of it would wait for itself, because
// crypto/tls holds the lock that ConnectionState takes.
func newLife(m mobility, sealed bool) life {
	l := life{mobility: m, sealed: sealed}
	if sealed {
		l.wait = waitTouched
	}
	return l
}

// waits reports whether the connection waits for a request.
func (l *life) waits() bool { return l.stage == stageWaiting || l.stage == stageParked }

// untouched reports whether the connection waits and no request has begun.
func (l *life) untouched() bool { return l.waits() && l.wait < waitTouched }

// deadline returns the read deadline that should be in force.
func (l *life) deadline() deadline {
	switch {
	case l.mode == modeMove && l.untouched():
		return deadlinePast
	case l.waits() && (l.mode == modeLinger || l.mode == modeMove && l.shakesHands()):
		return deadlineLinger
	}
	return deadlineAsked
}

// begin is the beginning of the drain or, where turns are given, the
// connection's turn in it. The turn is over at once if no move begins.
func (l *life) begin(m mode) (v verdict) {
	if l.mobility == fixed && m == modeMove {
		m = modeLinger
	}
	l.mode = m
	if l.untouched() || m == modeLinger && l.waits() || l.shakesHands() {
		v.deadline = l.deadline()
	}
	if m != modeMove || !l.untouched() {
		v.turn = turnOver
	}
	return v
}

// deadlineSet is a read deadline that net/http sets. In a wait for a next
// request the second one says that the wait is over: the beginning of the
// request was in net/http's buffer.
func (l *life) deadlineSet() (v verdict) {
	if l.stage == stageClosed {
		return v // the socket may be served by another conn
	}
	if l.stage == stageWaiting && l.awaits == awaitsNext {
		switch l.wait {
		case waitBegins:
			l.wait = waitBlocks
		case waitBlocks, waitTouched:
			l.wait, v.turn = waitOver, turnOver
		case waitEnded, waitOver:
		}
	}
	v.deadline = l.deadline()
	return v
}

// reads is a read of net/http's, which has room for so many bytes.
func (l *life) reads(room int) {
	if l.full == 0 {
		l.full = room
	}
}

// arrived are bytes that a read of net/http's brought.
func (l *life) arrived(b []byte) (v verdict) {
	switch {
	case l.stage == stageBusy:
		l.remember(b)
		return v
	case l.stage != stageWaiting:
		return v
	case l.awaits == awaitsNext && !l.sealed && emptyLines(b): // net/http waits on
	case l.sealed:
		l.wait, v.turn = max(l.wait, waitTouched), turnOver
	default:
		l.wait, v.turn = waitOver, turnOver
	}
	l.remember(b)
	if l.awaits == awaitsFirst && !l.sealed {
		l.scanPreface(b)
	}
	if l.mode != modeServe {
		v.deadline = l.deadline()
	}
	return v
}

// timedOut is a read that a deadline ended with nothing read, and that had room
// for so many bytes. It means something in modeMove only.
func (l *life) timedOut(room int) verdict {
	if l.mode != modeMove || !l.untouched() {
		return verdict{}
	}
	if l.sealed {
		return verdict{action: actProbe}
	}
	if l.stage == stageParked || l.awaits == awaitsFirst || l.holdsNothing(l.full-room) {
		l.wait = waitEnded
		return verdict{}
	}
	// The beginning of a request is in net/http's buffer. It is answered here.
	l.wait = waitOver
	return verdict{deadline: l.deadline(), turn: turnOver, action: actReadOn}
}

// shakesHands reports whether the connection has TLS and no request has come. It
// may move when the handshake is over, and does not wait for that without bound.
func (l *life) shakesHands() bool {
	return l.sealed && l.stage == stageWaiting && l.awaits == awaitsFirst
}

// mayBeQuiet reports whether it makes a difference whether the records that have
// come are part of a request.
func (l *life) mayBeQuiet() bool {
	return l.mode == modeMove && l.stage == stageWaiting && l.wait == waitTouched
}

// quiet says that they are not.
func (l *life) quiet() verdict {
	l.wait = waitBlocks
	return verdict{deadline: l.deadline()}
}

// begun says that a record is under way: the request is answered here.
func (l *life) begun() verdict {
	l.wait = waitTouched
	return verdict{deadline: l.deadline(), turn: turnOver}
}

// stays says that the connection cannot move.
func (l *life) stays() verdict {
	l.mobility = fixed
	if l.mode == modeMove {
		l.mode = modeLinger
	}
	return verdict{deadline: l.deadline(), turn: turnOver}
}

// probed says that crypto/tls has read the probe.
func (l *life) probed() {
	if l.waits() {
		l.stage = stageProbed
	}
}

// taken says that the handler of the probe has the connection, whose close moves
// it.
func (l *life) taken() {
	if l.stage == stageProbed {
		l.stage = stageTaken
	}
}

// holdsNothing reports whether the n bytes in net/http's buffer are nothing that
// a client waits for: none, or an empty line after a POST, which net/http skips
// (RFC 9112, 2.2). It waits for four bytes, so there cannot be more than three.
func (l *life) holdsNothing(n int) bool {
	return n == 0 || n > 0 && n <= len(l.last) && emptyLines(l.last[len(l.last)-n:])
}

// emptyLines is called with each request, and mostly returns at the first byte.
func emptyLines(b []byte) bool {
	for _, c := range b {
		if c != '\r' && c != '\n' {
			return false
		}
	}
	return true
}

// remember keeps the end of what was read.
func (l *life) remember(b []byte) {
	end := b[max(0, len(b)-len(l.last)):]
	copy(l.last[:], l.last[len(end):])
	copy(l.last[len(l.last)-len(end):], end)
}

// scanPreface looks for the preface of HTTP/2, in whatever pieces it comes.
func (l *life) scanPreface(b []byte) {
	if l.preface == notHTTP2 || l.preface == len(http2Preface) {
		return
	}
	n := min(len(b), len(http2Preface)-l.preface)
	if string(b[:n]) != http2Preface[l.preface:l.preface+n] {
		l.preface = notHTTP2
		return
	}
	if l.preface += n; l.preface == len(http2Preface) {
		l.mobility = fixed
		if l.mode == modeMove {
			l.mode = modeLinger
		}
	}
}

// park is the beginning of a wait outside net/http.
func (l *life) park(a awaits) { l.stage, l.awaits, l.wait = stageParked, a, waitBlocks }

// unpark is the first byte of a request. net/http gets the connection now, and
// takes it for a new one.
func (l *life) unpark() verdict {
	l.stage, l.awaits, l.wait = stageWaiting, awaitsFirst, waitOver
	return verdict{deadline: l.deadline(), turn: turnOver}
}

// sawPreface reports whether the connection has begun as HTTP/2 does.
func (l *life) sawPreface() bool { return l.preface == len(http2Preface) }

// idle is net/http's change to http.StateIdle: it sets the deadline of its wait
// next.
func (l *life) idle() {
	if l.stage == stageBusy {
		l.stage, l.awaits, l.wait = stageWaiting, awaitsNext, waitBegins
	}
}

// leaves is net/http's change to a state in which nothing is waited for:
// stageBusy, stageHijacked or stageHTTP2. Its own deadline is in force then.
func (l *life) leaves(to stage) (v verdict) {
	switch l.stage {
	case stageHijacked, stageHTTP2, stageClosed, stageProbed, stageTaken:
		return v
	case stageWaiting, stageParked:
		v.turn = turnOver
		if l.mode != modeServe {
			v.deadline = deadlineAsked
		}
	case stageBusy:
	}
	l.stage = to
	if to == stageHTTP2 {
		l.mobility = fixed
	}
	return v
}

// close is net/http's Close, or the handler's of a hijacked connection. They
// may close twice, and by the second time the socket may be served by another
// conn.
func (l *life) close() (v verdict) {
	switch {
	case l.stage == stageClosed:
		v.action = actNotTwice
	case l.stage == stageTaken, l.waits() && l.wait == waitEnded && l.mobility == movable:
		v.action = actMove
	default:
		v.action = actClose
	}
	l.stage = stageClosed
	return v
}

// announces is a response that is about to be written.
func (l *life) announces() announcement {
	switch {
	case l.mode != modeLinger:
		return announceNot
	case l.announced == announceNot:
		l.announced = announceAgain
		return announceFirst
	}
	return l.announced
}
