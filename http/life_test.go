package restarthttp

import (
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// Each row is a sequence of events, and what the last one must demand.
func TestLife(t *testing.T) {
	const room = 16 // of net/http's empty buffer
	serving := func(l *life) verdict { return verdict{} }
	request := func(l *life) verdict { l.reads(room); l.arrived([]byte("GET")); return l.leaves(stageBusy) }
	idle := func(l *life) verdict { l.idle(); return l.deadlineSet() }
	move := func(l *life) verdict { return l.begin(modeMove) }
	linger := func(l *life) verdict { return l.begin(modeLinger) }
	set := func(l *life) verdict { return l.deadlineSet() }
	in := func(b string) func(*life) verdict {
		return func(l *life) verdict { l.reads(room); return l.arrived([]byte(b)) }
	}
	timedOut := func(buffered int) func(*life) verdict {
		return func(l *life) verdict { l.reads(room); return l.timedOut(room - buffered) }
	}
	parked := func(l *life) verdict { l.park(awaitsNext); return verdict{deadline: l.deadline()} }
	unpark := func(l *life) verdict { return l.unpark() }
	leaves := func(to stage) func(*life) verdict { return func(l *life) verdict { return l.leaves(to) } }
	fix := func(l *life) verdict { l.mobility = fixed; return verdict{} }
	closes := func(l *life) verdict { return l.close() }
	handshake := func(l *life) verdict { *l = newLife(movable, true); return verdict{} }
	quiet := func(l *life) verdict { return l.quiet() }

	for name, tt := range map[string]struct {
		events []func(*life) verdict
		want   verdict
	}{
		"no drain":                          {[]func(*life) verdict{serving, request, idle}, verdict{deadline: deadlineAsked}},
		"turn of a silent one":              {[]func(*life) verdict{move}, verdict{deadline: deadlinePast}},
		"turn of an idle one":               {[]func(*life) verdict{request, idle, move}, verdict{deadline: deadlinePast}},
		"turn of a busy one":                {[]func(*life) verdict{request, move}, verdict{turn: turnOver}},
		"turn in the middle of a request":   {[]func(*life) verdict{in("G"), move}, verdict{turn: turnOver}},
		"turn of one with TLS":              {[]func(*life) verdict{fix, move}, verdict{deadline: deadlineLinger, turn: turnOver}},
		"turn before a handshake":           {[]func(*life) verdict{handshake, move}, verdict{deadline: deadlineLinger, turn: turnOver}},
		"turn, and the handshake is over":   {[]func(*life) verdict{handshake, move, in("x"), quiet}, verdict{deadline: deadlinePast}},
		"turn of a parked one":              {[]func(*life) verdict{parked, move}, verdict{deadline: deadlinePast}},
		"turn of a hijacked one":            {[]func(*life) verdict{request, leaves(stageHijacked), move}, verdict{turn: turnOver}},
		"linger of an idle one":             {[]func(*life) verdict{request, idle, linger}, verdict{deadline: deadlineLinger, turn: turnOver}},
		"linger of a busy one":              {[]func(*life) verdict{request, linger}, verdict{turn: turnOver}},
		"linger in a request":               {[]func(*life) verdict{in("G"), linger}, verdict{deadline: deadlineLinger, turn: turnOver}},
		"idle in a drain":                   {[]func(*life) verdict{request, move, idle}, verdict{deadline: deadlinePast}},
		"idle while it lingers":             {[]func(*life) verdict{request, linger, idle}, verdict{deadline: deadlineLinger}},
		"a byte crosses the drain":          {[]func(*life) verdict{move, in("G")}, verdict{deadline: deadlineAsked, turn: turnOver}},
		"a byte while it lingers":           {[]func(*life) verdict{linger, in("G")}, verdict{deadline: deadlineLinger, turn: turnOver}},
		"an empty line crosses":             {[]func(*life) verdict{request, idle, move, in("\r\n")}, verdict{deadline: deadlinePast}},
		"an empty line of a first request":  {[]func(*life) verdict{move, in("\r\n")}, verdict{deadline: deadlineAsked, turn: turnOver}},
		"request while it lingers":          {[]func(*life) verdict{linger, in("GET"), leaves(stageBusy)}, verdict{deadline: deadlineAsked, turn: turnOver}},
		"the wait ends":                     {[]func(*life) verdict{move, timedOut(0)}, verdict{}},
		"the wait ends with a buffer":       {[]func(*life) verdict{request, in("X"), idle, move, timedOut(1)}, verdict{deadline: deadlineAsked, turn: turnOver, action: actReadOn}},
		"the wait ends with an empty line":  {[]func(*life) verdict{request, in("\r\n"), idle, move, timedOut(2)}, verdict{}},
		"the wait ends with too much":       {[]func(*life) verdict{request, in("\r\n\r\n"), idle, move, timedOut(4)}, verdict{deadline: deadlineAsked, turn: turnOver, action: actReadOn}},
		"the next request was buffered":     {[]func(*life) verdict{request, idle, move, set}, verdict{deadline: deadlineAsked, turn: turnOver}},
		"deadline after the wait was ended": {[]func(*life) verdict{request, idle, move, timedOut(0), set}, verdict{deadline: deadlinePast}},
		"time-out without a drain":          {[]func(*life) verdict{timedOut(0), closes}, verdict{action: actClose}},
		"time-out while it lingers":         {[]func(*life) verdict{linger, timedOut(0), closes}, verdict{action: actClose}},
		"close of an ended wait":            {[]func(*life) verdict{move, timedOut(0), closes}, verdict{action: actMove}},
		"close of a parked one":             {[]func(*life) verdict{parked, move, timedOut(0), closes}, verdict{action: actMove}},
		"close without an end of the wait":  {[]func(*life) verdict{move, closes}, verdict{action: actClose}},
		"close after a request":             {[]func(*life) verdict{move, timedOut(0), in("GET"), closes}, verdict{action: actClose}},
		"close of a hijacked one":           {[]func(*life) verdict{move, timedOut(0), leaves(stageHijacked), closes}, verdict{action: actClose}},
		"close twice":                       {[]func(*life) verdict{move, timedOut(0), closes, closes}, verdict{action: actNotTwice}},
		"deadline of a closed one":          {[]func(*life) verdict{closes, set}, verdict{}},
		"a parked one gets a byte":          {[]func(*life) verdict{parked, move, unpark}, verdict{deadline: deadlineAsked, turn: turnOver}},
		"a parked one that lingers":         {[]func(*life) verdict{parked, linger, unpark}, verdict{deadline: deadlineLinger, turn: turnOver}},
		"HTTP/2 without TLS":                {[]func(*life) verdict{move, in("PR"), in("I * HTTP/2.0\r\n")}, verdict{deadline: deadlineLinger, turn: turnOver}},
		"HTTP/2 never moves":                {[]func(*life) verdict{in("PRI "), leaves(stageHTTP2), move, timedOut(0), closes}, verdict{action: actClose}},
		"a change of state after HTTP/2":    {[]func(*life) verdict{in("PRI "), leaves(stageHTTP2), leaves(stageBusy), idle}, verdict{deadline: deadlineAsked}},
	} {
		var l life
		var got verdict
		for _, event := range tt.events {
			got = event(&l)
		}
		if got != tt.want {
			t.Errorf("%s: got %+v, want %+v", name, got, tt.want)
		}
	}
}

// A response announces once for the first time, and only where a connection
// lingers.
func TestLifeAnnounces(t *testing.T) {
	var l life
	for _, step := range []struct {
		begin mode
		want  announcement
	}{{modeServe, announceNot}, {modeMove, announceNot}, {modeLinger, announceFirst}, {modeLinger, announceAgain}} {
		l.begin(step.begin)
		if got := l.announces(); got != step.want {
			t.Errorf("mode %d: got %d, want %d", step.begin, got, step.want)
		}
	}
}

// A lifeModel is net/http with one connection, as simply as possible: what is in
// its buffer is known here, and compared with what the life makes of it.
type lifeModel struct {
	l *life
	t *rapid.T

	sent   string // what the client has sent and nobody has read
	buffer string // net/http's
	doing  doing
	first  bool     // no request has come yet
	in     deadline // the one in force
	mode   mode     // of the drain
	held   bool     // the drain's turn is held
	h2     bool
}

type doing int

const (
	doingStart   doing = iota // the deadline of a wait or request is to be set
	doingWait                 // in a wait for a request: reading
	doingRequest              // handling
	doingHijacked
	doingHTTP2
	doingGiveUp // the wait failed: close is next
	doingNothing
)

const modelBuffer = 32

func (m *lifeModel) obey(v verdict) {
	if v.deadline != deadlineKeep {
		m.in = v.deadline
	}
	if v.turn == turnOver {
		m.held = false
	}
}

// begun reports whether the buffer has the beginning of a request.
func (m *lifeModel) begun() bool { return strings.Trim(m.buffer, "\r\n") != "" }

// read reads at most n bytes into the buffer, or reports that nothing was there.
func (m *lifeModel) read(n int) bool {
	m.l.reads(modelBuffer - len(m.buffer))
	if n = min(n, len(m.sent), modelBuffer-len(m.buffer)); n == 0 {
		return false
	}
	b := m.sent[:n]
	m.sent, m.buffer = m.sent[n:], m.buffer+b
	m.obey(m.l.arrived([]byte(b)))
	return true
}

// waitGoesOn is what net/http does next in a wait.
func (m *lifeModel) waitGoesOn() {
	if m.first && strings.HasPrefix(m.buffer, "PRI ") {
		m.h2 = true
		m.obey(m.l.leaves(stageHTTP2))
		m.doing = doingHTTP2
		return
	}
	if !m.first && len(m.buffer) >= 4 {
		m.obey(m.l.deadlineSet()) // the wait is over
	}
	if body := strings.TrimLeft(m.buffer, "\r\n"); strings.Contains(body, "\n") && (m.first || len(m.buffer) >= 4) {
		_, m.buffer, _ = strings.Cut(body, "\n")
		m.obey(m.l.leaves(stageBusy))
		m.doing, m.first = doingRequest, false
		return
	}
	if m.read(rapid.IntRange(1, 8).Draw(m.t, "bytes")) {
		return
	}
	if m.in != deadlinePast {
		return // it blocks
	}
	clean := !m.begun()
	v := m.l.timedOut(modelBuffer - len(m.buffer))
	m.obey(v)
	if v.action == actReadOn {
		if clean {
			m.t.Fatalf("a wait in which nothing came goes on: buffer %q", m.buffer)
		}
		return
	}
	if !clean {
		m.t.Fatalf("the wait was ended with %q in the buffer", m.buffer)
	}
	m.doing = doingGiveUp
}

func (m *lifeModel) close(wantMove bool) {
	v := m.l.close()
	m.obey(v)
	m.held = false // Close gives it back
	if got := v.action == actMove; got != wantMove {
		m.t.Fatalf("moves: got %v, want %v", got, wantMove)
	}
	m.doing, m.in = doingNothing, deadlineKeep
}

// goOn is the next thing that net/http does.
func (m *lifeModel) goOn() {
	switch m.doing {
	case doingStart:
		if !m.first {
			m.l.idle()
		}
		m.obey(m.l.deadlineSet())
		m.doing = doingWait
	case doingWait:
		m.waitGoesOn()
	case doingRequest:
		if rapid.Bool().Draw(m.t, "background read") {
			m.read(1)
		}
		if rapid.IntRange(0, 9).Draw(m.t, "hijack") == 0 {
			m.obey(m.l.leaves(stageHijacked))
			m.doing = doingHijacked
		} else {
			m.doing = doingStart
		}
	case doingGiveUp:
		m.close(true)
	case doingHijacked, doingHTTP2:
		m.close(false)
	case doingNothing:
		if m.l.close().action != actNotTwice {
			m.t.Fatal("it closes twice")
		}
	}
}

// Whatever a client, net/http and a drain do, and in whatever order: a
// connection moves if it waits and nothing of a request has come, and only then.
func TestLifeAgainstModel(t *testing.T) {
	for range 20 { // what breaks it may take several events that are rare
		rapid.Check(t, checkLife)
		if t.Failed() {
			return
		}
	}
}

func checkLife(t *rapid.T) {
	l := new(life)
	m := &lifeModel{l: l, t: t, first: true, in: deadlineAsked}
	if rapid.Bool().Draw(t, "fixed") {
		l.mobility = fixed
	}
	fixedFromStart := l.mobility == fixed
	t.Repeat(map[string]func(*rapid.T){
		"client sends": func(t *rapid.T) {
			m.sent += rapid.SampledFrom([]string{"GET\n", "\r\n", "G", "ET /\n", "PRI ", "PO", "\n"}).Draw(t, "sent")
		},
		"drain begins": func(t *rapid.T) {
			if m.mode != modeServe {
				t.Skip()
			}
			m.mode = rapid.SampledFrom([]mode{modeMove, modeLinger}).Draw(t, "mode")
			m.held = true
			m.obey(l.begin(m.mode))
		},
		"net/http goes on": func(t *rapid.T) {
			for range rapid.IntRange(1, 6).Draw(t, "steps") {
				m.goOn()
			}
		},
		"net/http closes": func(t *rapid.T) { // as after a failed write
			if m.doing == doingGiveUp || m.doing == doingNothing || rapid.IntRange(0, 9).Draw(t, "fails") > 0 {
				t.Skip()
			}
			m.close(false)
		},
		"": func(t *rapid.T) {
			movable := m.mode == modeMove && !fixedFromStart && !m.h2 && !(m.first && strings.HasPrefix(m.buffer, "PRI "))
			quiet := m.doing == doingWait && !m.begun() && (!m.first || m.buffer == "")
			switch {
			case m.in == deadlinePast && !(movable && (m.doing == doingWait || m.doing == doingGiveUp || m.doing == doingStart && m.first)):
				t.Fatal("a read is ended that should not be")
			case movable && quiet && m.in != deadlinePast && len(m.buffer) < 4:
				t.Fatalf("a connection that waits cleanly does not move: buffer %q", m.buffer)
			case m.held && m.mode == modeMove && m.in != deadlinePast:
				t.Fatal("a connection that does not move holds its turn")
			case m.held && m.mode == modeLinger:
				t.Fatal("a connection that lingers holds a turn")
			case m.mode == modeLinger && m.doing == doingWait && m.in != deadlineLinger:
				t.Fatal("a connection that waits does not linger")
			}
		},
	})
}
