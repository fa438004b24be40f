//go:build linux

package restarthttp_test

import (
	"fmt"
	"slices"
	"strings"

	"pgregory.net/rapid"
)

// A trial is what one client does in TestAnswersAreThoseOfNetHTTP, and when the
// process is replaced.
type trial struct {
	steps     []step
	skipped   []step // without the empty lines that net/http refuses; nil: there are none
	shortTail bool   // see stream
	unread    bool   // net/http may leave some of it unread
}

type step struct {
	kind stepKind
	text string // stepSend
	n    int    // stepAnswered, stepHandled
}

type stepKind uint8

const (
	stepSend     stepKind = iota
	stepRead              // wait until the server has read all that was sent
	stepAnswered          // wait until so many answers have begun
	stepHandled           // wait until so many handlers have begun
	stepRelease           // let handlers of "/held" go on
	stepBegin             // begin a restart
	stepRestart           // wait for the one that was begun, or do one
	stepSettle            // wait until the processes that were replaced have ended
	stepReset             // reset the connection; nothing follows
)

func (s step) String() string {
	switch s.kind {
	case stepSend:
		return "send " + quote(s.text)
	case stepAnswered, stepHandled:
		return fmt.Sprintf("%s %d", stepNames[s.kind], s.n)
	}
	return stepNames[s.kind]
}

var stepNames = [...]string{
	stepRead: "wait until all is read", stepAnswered: "wait for answers:", stepHandled: "wait for handlers:",
	stepRelease: "release", stepBegin: "begin a restart", stepRestart: "restart",
	stepSettle: "wait for the end of the old process", stepReset: "reset",
}

func (tr trial) String() string {
	var b strings.Builder
	for _, s := range tr.steps {
		fmt.Fprintln(&b, s)
	}
	return b.String() + "close, or half of it; read to the end"
}

// drawTrial draws a stream, cuts it into pieces, and draws what happens in between.
func drawTrial(t *rapid.T) trial {
	s := drawStream(t)
	cuts := []int{len(s.text)}
	for range rapid.IntRange(2, 8).Draw(t, "cuts") {
		cuts = append(cuts, drawCut(t, s))
	}
	slices.Sort(cuts)
	d := drawing{t: t, stream: s}
	from, to, empty := s.refusedEmpty()
	for _, cut := range cuts {
		d.send(cut, from, to)
		d.between(cut)
	}
	if rapid.IntRange(0, 9).Draw(t, "end") == 9 {
		d.add(step{kind: stepReset})
	}
	tr := trial{steps: d.steps, shortTail: s.shortTail(), unread: s.unsure()}
	if empty {
		tr.skipped = d.skipped
	}
	return tr
}

// drawCut draws one that is often near the beginning of a part: there net/http
// and we decide.
func drawCut(t *rapid.T, s stream) int {
	if rapid.Bool().Draw(t, "anywhere") {
		return rapid.IntRange(0, len(s.text)).Draw(t, "cut")
	}
	at := rapid.SampledFrom(append(slices.Clone(s.ends), 0)).Draw(t, "near") + rapid.IntRange(-2, 4).Draw(t, "cut")
	return max(0, min(at, len(s.text)))
}

type drawing struct {
	t        *rapid.T
	stream   stream
	sent     int
	released bool
	steps    []step
	skipped  []step // without the bytes that send is told of
}

func (d *drawing) add(s step) {
	d.steps = append(d.steps, s)
	d.skipped = append(d.skipped, s)
}

// send sends up to there, and in skipped without the bytes in between.
func (d *drawing) send(upTo, from, to int) {
	text := d.stream.text
	if d.sent < upTo {
		d.steps = append(d.steps, step{kind: stepSend, text: text[d.sent:upTo]})
		rest := text[d.sent:max(d.sent, min(upTo, from))] + text[min(upTo, max(d.sent, to)):upTo]
		d.skipped = append(d.skipped, step{kind: stepSend, text: rest})
	}
	d.sent = upTo
}

// between draws what happens when so many bytes are sent.
func (d *drawing) between(sent int) {
	kinds := rapid.SampledFrom([]stepKind{stepRead, stepAnswered, stepHandled, stepRelease, stepBegin, stepRestart, stepRestart, stepRestart, stepSettle, stepSettle})
	for _, k := range rapid.SliceOfN(kinds, 0, 3).Draw(d.t, "between") {
		answered, handled := d.stream.requests(sent, d.released)
		s := step{kind: k}
		switch k {
		case stepAnswered:
			s.n = answered
		case stepHandled:
			s.n = handled
		case stepRelease:
			d.released = true
		case stepRead:
			if !d.released && d.stream.holds(sent) {
				continue // net/http reads no more while a handler does not
			}
		case stepSettle:
			if !d.stream.idle(sent, d.released) {
				continue // the connection may stay in the old process
			}
		}
		d.add(s)
	}
}
