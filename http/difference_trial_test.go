//go:build linux

package restarthttp_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
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

// A side is one of the two servers that are compared.
type side interface {
	address() string
	handler() *answering

	// begin begins a restart, and await waits until the successor serves; both do
	// nothing if there is nothing to do.
	begin()
	await() error

	// settle waits until all but the last process have ended.
	settle() error
}

// patience bounds every wait. Nothing fails for being slow.
const patience = 30 * time.Second

// run does the steps with one side.
func run(t *rapid.T, s side, steps []step) outcome {
	nc, err := net.Dial("tcp", s.address())
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	seen := s.handler().expect(nc.LocalAddr())
	defer seen.release()
	c := receive(nc.(*net.TCPConn))
	leaves := false
	for _, st := range steps {
		switch st.kind {
		case stepSend:
			c.send(st.text)
		case stepRead:
			c.await(t, st, func() bool { return serverHasRead(c.conn) })
		case stepAnswered:
			c.await(t, st, func() bool { return c.begun() >= st.n })
		case stepHandled:
			c.await(t, st, func() bool { return len(seen.handled()) >= st.n })
		case stepRelease:
			seen.release()
		case stepBegin:
			s.begin()
		case stepRestart:
			s.begin()
			if err := s.await(); err != nil {
				t.Fatal(err)
			}
		case stepSettle:
			if err := errors.Join(s.await(), s.settle()); err != nil {
				t.Fatal(err)
			}
		case stepReset:
			leaves = true
		}
	}
	seen.release()
	if leaves {
		_ = c.conn.SetLinger(0)
		_ = c.conn.Close()
	} else {
		_ = c.conn.CloseWrite()
	}
	select {
	case <-c.ended:
	case <-time.After(patience):
		t.Fatalf("the connection does not end; got %q", c.all())
	}
	if err := s.await(); err != nil {
		t.Fatal(err)
	}
	return outcome{answers: c.all(), handled: seen.handled(), left: leaves, cut: !leaves && c.wasReset()}
}

// A receiver is the client's end of a connection, which is read all the time.
type receiver struct {
	conn   *net.TCPConn
	ended  chan struct{} // closed at the end of what the server sends
	end    error         // what that was
	unsent bool          // a write has met a reset

	mu  sync.Mutex
	got []byte
}

func receive(c *net.TCPConn) *receiver {
	r := &receiver{conn: c, ended: make(chan struct{})}
	go func() {
		defer close(r.ended)
		buf := make([]byte, 64<<10)
		for {
			n, err := c.Read(buf)
			r.mu.Lock()
			r.got = append(r.got, buf[:n]...)
			r.mu.Unlock()
			if err != nil {
				r.end = err
				return
			}
		}
	}()
	return r
}

// send sends text, unless the server has closed.
func (r *receiver) send(text string) {
	if _, err := io.WriteString(r.conn, text); errors.Is(err, syscall.ECONNRESET) {
		r.unsent = true
	}
}

// wasReset reports whether the server has reset the connection. The kernel tells that
// once, to a write or to a read: the next one meets an end like any other.
func (r *receiver) wasReset() bool { return r.unsent || r.end != io.EOF }

func (r *receiver) all() []byte {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.got
}

// begun returns how many answers have begun.
func (r *receiver) begun() int {
	all := r.all()
	return bytes.Count(all, []byte("HTTP/1.")) - bytes.Count(all, []byte("HTTP/1.1 100 "))
}

// await waits until ok or the end of the connection.
func (r *receiver) await(t *rapid.T, what step, ok func() bool) {
	tick := time.NewTicker(100 * time.Microsecond)
	defer tick.Stop()
	for bound := time.Now().Add(patience); !ok(); {
		select {
		case <-r.ended:
			return
		case <-tick.C:
		}
		if time.Now().After(bound) {
			t.Fatalf("in vain: %v; got %q", what, r.all())
		}
	}
}

// serverHasRead reports whether the other end of c, which is in this process, has
// nothing to read. It asks all descriptors: which one it is nobody knows.
func serverHasRead(c net.Conn) bool {
	fds, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		return true
	}
	client := c.LocalAddr().(*net.TCPAddr)
	for _, entry := range fds {
		fd, err := strconv.Atoi(entry.Name())
		if err != nil {
			continue
		}
		peer, err := unix.Getpeername(fd)
		if in4, ok := peer.(*unix.SockaddrInet4); err != nil || !ok || in4.Port != client.Port {
			continue
		}
		if n, err := unix.IoctlGetInt(fd, unix.SIOCINQ); err == nil && n > 0 {
			return false
		}
	}
	return true
}
