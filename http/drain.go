package restarthttp

import (
	"context"
	"errors"
	"net"
	"time"

	"example.com/restart"
)

// The old process's side of a move, and what becomes of the connections that
// stay.

// A drain with a deadline leaves the last part of it to the requests that have
// begun, but not more than longestReserve.
const (
	reservePart    = 4
	longestReserve = 10 * time.Second
)

// A sender is the way to the successor: a restart.Handover.
type sender interface {
	// Send moves a connection to the successor with what it needs to know of it.
	// After restart.ErrUncertain the socket is closed, after any other error it
	// is as it was.
	Send(socket net.Conn, state []byte) error

	// Adopts reports whether the successor attaches what a mover of that kind has
	// detached. It always attaches plain connections.
	Adopts(kind string) bool
}

// senderFrom returns the way to the successor that Shutdown's context carries,
// nil if there is none.
func senderFrom(ctx context.Context) sender {
	h, ok := restart.HandoverFrom(ctx)
	if !ok {
		return nil
	}
	return h
}

// drain ends the run so that no request is lost. Nothing is accepted any more,
// and what was accepted is known. http.Server.Shutdown comes last, when no
// connection is left: it closes idle connections without a word and drops
// requests that have been read already.
//
// Where the drain has a deadline, no request begins in the last part of it, for
// it would only be cut. What waits for one then is closed.
func (r *run) drain(ctx context.Context) error {
	taking, stop := takingRequests(ctx)
	defer stop()
	send := r.successor(ctx)
	replaced := send != nil || restart.Replaced(ctx)
	linger := lingerTime(r.server.Linger, replaced)
	if end, ok := taking.Deadline(); ok {
		linger = min(linger, max(time.Until(end), 0))
	}
	spread := linger / 2
	if !replaced {
		spread = 0 // the clients cannot come back: nothing is gained by spreading
	}
	r.conns.linger.Store(int64(linger))
	r.draining.Store(true)
	r.giveTurns(taking, r.modeOf(send), spread)
	lingered := time.NewTimer(linger)
	defer lingered.Stop()

	await(taking, r.conns.whenGone(classHTTP1))
	select {
	case <-r.conns.whenGone(classHTTP2):
	case <-lingered.C: // their clients have not answered, or not ended
	case <-taking.Done():
	}
	r.parked.stopAdmitting()
	await(taking, r.conns.whenGone(classHTTP1)) // connections that have come in the meantime
	if taking.Err() != nil {
		r.endWaits()
	}
	for _, c := range r.conns.list() {
		c.closeUnanswered()
	}
	err := r.server.HTTP.Shutdown(ctx)
	await(ctx, r.conns.whenGone(classHTTP2)) // those that Shutdown does not know
	r.parked.serving.Wait()                  // Shutdown has closed parked
	r.parked.wait(ctx)
	return err
}

// takingRequests returns a context that ends when no request may begin any more:
// some time before the deadline of ctx, or with ctx if that has none.
func takingRequests(ctx context.Context) (context.Context, context.CancelFunc) {
	end, ok := ctx.Deadline()
	if !ok {
		return context.WithCancel(ctx)
	}
	reserve := min(time.Until(end)/reservePart, longestReserve)
	return context.WithDeadline(ctx, end.Add(-reserve))
}

// endWaits ends the waits for requests. A connection whose request has come whole
// is not hurt, other than by a close. http.Server.Shutdown sees to it that
// there is no next one.
func (r *run) endWaits() {
	r.conns.linger.Store(0)
	for _, c := range r.conns.list() {
		if c.waits() {
			c.begin(modeLinger, nil)
		}
	}
}

// await waits for done or the end of ctx.
func await[T any](ctx context.Context, done <-chan T) {
	select {
	case <-done:
	case <-ctx.Done():
	}
}

// lingerTime is what Server.Linger means.
func lingerTime(set time.Duration, replaced bool) time.Duration {
	switch {
	case set < 0:
		return 0
	case set > 0:
		return set
	case replaced:
		return DefaultLinger
	}
	return stopLinger
}

// modeOf says what the drain does with connections: send moves them, nil if
// there is nobody to move them to.
func (r *run) modeOf(send sender) mode {
	if send == nil {
		return modeLinger
	}
	if err := r.mover.check(); err != nil {
		switch {
		case errors.Is(err, errNetHTTP):
			r.server.logger().Warn("restart/http: net/http does not behave as known: connections are announced and closed, not moved")
		case errors.Is(err, errCryptoTLS):
			r.server.logger().Warn("restart/http: crypto/tls does not behave as known: connections are announced and closed, not moved")
		}
		return modeLinger
	}
	if kind := r.mover.kind(); kind != "" && !send.Adopts(kind) {
		return modeLinger
	}
	r.sender.Store(&send)
	r.conns.moveKept.Store(send.Adopts(keptKindOf(r.mover)))
	return modeMove
}

// giveTurns starts the drain of all connections: it moves them in modeMove, and
// tells those that cannot move, one after another within the time for that. It
// returns when every one has had its turn, or with ctx.
func (r *run) giveTurns(ctx context.Context, m mode, within time.Duration) {
	var move, stay []*conn
	for c, is := range r.conns.drainIn(m) {
		switch {
		case is == classHijacked:
			c.begin(m, nil)
		case is == classHTTP1 && m == modeMove:
			move = append(move, c)
		default:
			stay = append(stay, c)
		}
	}
	for _, c := range stay {
		c.tell() // the turns are for requests that are yet to come
	}
	moveAll(ctx, move)
	p := newAnnouncePace(len(stay), within)
	for _, c := range stay {
		if !r.conns.has(c) {
			continue // it has closed: nobody needs its turn
		}
		if !p.next(ctx) {
			return
		}
		c.begin(m, nil)
	}
}

// moveAll starts the move of all that wait for a request. The others move when
// they have answered theirs.
func moveAll(ctx context.Context, all []*conn) {
	var waiting []*conn
	for _, c := range all {
		if c.waits() || c.keeps() {
			waiting = append(waiting, c)
		} else {
			c.begin(modeMove, nil)
		}
	}
	p := newMovePace(len(waiting))
	for _, c := range waiting {
		if !p.next(ctx) {
			return
		}
		c.begin(modeMove, p.done)
	}
}

// depart moves a connection that net/http has closed. Where the successor does
// not take it, it is served on here until it can be closed. Where nobody knows
// whether the successor took it before it died, it is gone: a request may be
// answered once only.
func (r *run) depart(c *conn) bool {
	a, left := c.awaitsNow()
	socket, state, err := r.mover.detach(c)
	if err != nil {
		r.logClosed(c, err)
		return false
	}
	defer clear(state) // there may be keys in it
	m := newMoved(r.mover, a, left, state)
	return r.sendMoved(socket, m) || r.takeBack(socket, m)
}

// departKept moves a connection whose request is not over. Where the successor
// does not take it, the handler is called again here.
func (r *run) departKept(c *conn, q *keptRequest, dead bool) bool {
	socket, state, err := r.mover.detach(c)
	if err != nil {
		r.logClosed(c, err)
		return false
	}
	defer clear(state) // there may be keys in it
	m := moved{Kind: keptKindOf(r.mover), State: state, Kept: q}
	if !dead && r.sendMoved(socket, m) {
		return true
	}
	nc, err := r.mover.attach(socket, m.State)
	if err != nil {
		r.logClosed(socket, err)
		return false
	}
	nc.SetDeadline(time.Time{})
	if dead {
		halfClose(nc)
	}
	next := newConn(nc, r.conns, fixed)
	return r.resume(next, q, dead)
}

// logClosed reports a connection that neither the successor nor this process can
// serve on.
func (r *run) logClosed(c net.Conn, err error) {
	r.server.logger().Error("restart/http: cannot move a connection: it is closed", "peer", c.RemoteAddr(), "error", err)
}

// sendMoved sends a connection to the successor. It reports false, and leaves the
// socket as it was, if the successor has surely not taken it.
func (r *run) sendMoved(socket net.Conn, m moved) bool {
	to := r.sender.Load()
	if to == nil {
		return false
	}
	b, err := m.encode()
	if err != nil {
		return false
	}
	defer clear(b) // there may be keys in it
	err = (*to).Send(socket, b)
	return err == nil || errors.Is(err, restart.ErrUncertain)
}

// takeBack serves on a connection that the successor has not taken. It reports
// false if that cannot be.
func (r *run) takeBack(socket net.Conn, m moved) bool {
	nc, err := r.mover.attach(socket, m.State)
	if err != nil {
		r.logClosed(socket, err)
		return false
	}
	nc.SetReadDeadline(time.Time{}) // it was in the past, to end the wait
	c := newConn(nc, r.conns, fixed)
	c.park(m.awaits(), r.waitUntil(m))
	return r.parked.admit(c)
}

// stopMoving makes connections close instead: it is the hammer. Those that are
// on the way are the Restarter's to end.
func (r *run) stopMoving() {
	r.sender.Store(nil)
	r.parked.Close()
}
