package restarthttp

// What a kept asks of its conn.

// beginKept is begin for a connection that is kept. It returns what kind moves,
// empty if none does.
func (c *conn) beginKept(m mode) keptKind {
	k := c.kept.Load()
	if k == nil {
		return ""
	}
	if m == modeMove && k.leave() {
		return k.kind
	}
	if k.hijacked.Load() {
		c.home.become(c, classHijacked)
	}
	return ""
}

// keepsWebSocket reports whether the handler's Hijack is an upgrader's to note.
func (c *conn) keepsWebSocket() bool {
	k := c.kept.Load()
	return k != nil && k.kind == keptWebSocket
}

// hijack notes that the handler has the connection and finds early, which the
// client has sent already, in a buffer.
func (c *conn) hijack(early []byte) {
	c.leaves(stageHijacked)
	if k := c.kept.Load(); k != nil && k.hijack(early) {
		if m := c.mode(); m == modeServe || m == modeMove && k.leave() {
			return
		}
	}
	if c.http2 != nil { // golang.org/x/net/http2/h2c
		c.home.become(c, classHTTP2)
		return
	}
	c.home.become(c, classHijacked)
}

// goesOn is net/http's change to http.StateActive: if a stream has ended, this is
// another request, which was in a buffer.
func (c *conn) goesOn() {
	if k := c.kept.Load(); k != nil && k.kind == keptStream && k.over.Load() {
		k.end()
		c.kept.Store(nil)
	}
}

// stayHijacked makes c one that the handler cares for.
func (c *conn) stayHijacked() {
	c.home.become(c, classHijacked)
	c.tell()
}

// keeps reports whether c is kept.
func (c *conn) keeps() bool { return c.kept.Load() != nil }

func (c *conn) mode() mode {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.life.mode
}

func (c *conn) movable() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.life.mobility == movable
}

// pin keeps c here: others may read and write below it.
func (c *conn) pin() {
	if k := c.kept.Load(); k != nil {
		k.stays.Store(true)
	}
}

// sentEarly reports whether anything came after the head of the request, which ends
// in an empty line.
func (c *conn) sentEarly() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.life.last != headEnd
}

var headEnd = [...]byte{'\n', '\r', '\n'}

// tellAtOnce tells the handler of a stream, which moves then: nobody comes back.
func (c *conn) tellAtOnce() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.signal.sendNow()
}

// interrupt ends a read that blocks, see endInterrupt.
func (c *conn) interrupt() {
	c.mu.Lock()
	defer c.mu.Unlock()
	_ = c.limitLocked(longAgo) // what is closed needs none
	c.interrupted = true
}

// endInterrupt reports whether a read was ended by interrupt, and puts the
// handler's deadline in force again.
func (c *conn) endInterrupt() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.interrupted {
		return false
	}
	c.interrupted = false
	_ = c.limitLocked(c.asked)
	return true
}
