package clients

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/coder/websocket"

	"example.com/restart/storm/internal/tally"
)

const (
	countPath = "/ws/count"
	// inFlight bounds the messages of a WebSocket that wait for their answers.
	inFlight = 16
)

// conversation is a WebSocket on which messages go out while earlier ones wait for their answers. The server numbers its
// answers. So a message that is lost, doubled or out of order shows on either way, and so does a number that the server has
// forgotten.
type conversation struct {
	*websocket.Conn
	counts *tally.Class
	over   chan struct{} // closed when reading has ended

	mu      sync.Mutex
	waiting []message // oldest first
	answers int
	counted bool // the end has been counted
}

type message struct {
	text string
	sent time.Time
}

func newConversation(c *websocket.Conn, counts *tally.Class) *conversation {
	v := &conversation{Conn: c, counts: counts, over: make(chan struct{})}
	go v.listen()
	return v
}

// listen counts the answers. When it ends, what still waits is lost.
func (v *conversation) listen() {
	defer close(v.over)
	for {
		_, b, err := v.Read(context.Background())
		if err == nil {
			err = v.answered(string(b))
		}
		if err != nil {
			v.end(err)
			return
		}
	}
}

func (v *conversation) answered(got string) error {
	v.mu.Lock()
	defer v.mu.Unlock()
	if len(v.waiting) == 0 {
		return fmt.Errorf("%w: got %.40q, want silence", tally.ErrWrong, got)
	}
	m := v.waiting[0]
	if want := fmt.Sprintf("%d %s", v.answers+1, m.text); got != want {
		return fmt.Errorf("%w: got %.40q, want %.40q", tally.ErrWrong, got, want)
	}
	v.waiting = v.waiting[1:]
	v.answers++
	v.counts.Record(m.sent, time.Now(), int64(len(got)), nil)
	return nil
}

// end counts what waits as lost, or the end itself where nothing does.
func (v *conversation) end(err error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.counted {
		return
	}
	v.counted = true
	now := time.Now()
	for _, m := range v.waiting {
		v.counts.Record(m.sent, now, 0, fmt.Errorf("%w (after %d answers on this connection)", err, v.answers))
	}
	switch {
	case websocket.CloseStatus(err) != -1:
		v.counts.AnnouncedClose()
	case len(v.waiting) > 0:
	case errors.Is(err, tally.ErrWrong): // an answer to nothing
		v.counts.Record(now, now, 1, err)
	default:
		v.counts.ClosedIdle()
	}
	v.waiting = nil
}

// say sends a message and does not wait for the answer. It says nothing while too many wait. A failed write shows in
// listen, which then fails too.
func (v *conversation) say(text string, timeout time.Duration) {
	v.mu.Lock()
	mute := v.counted || len(v.waiting) >= inFlight
	if !mute {
		v.waiting = append(v.waiting, message{text, time.Now()})
	}
	v.mu.Unlock()
	if mute {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), timeout)
	defer cancel()
	if err := v.Write(ctx, websocket.MessageText, []byte(text)); err != nil {
		_ = v.CloseNow()
	}
}

// waits returns for how long the oldest message has been waiting, 0 if none does.
func (v *conversation) waits() time.Duration {
	v.mu.Lock()
	defer v.mu.Unlock()
	if len(v.waiting) == 0 {
		return 0
	}
	return max(1, time.Since(v.waiting[0].sent))
}

// giveUp counts what waits as timed out, and ends the conversation.
func (v *conversation) giveUp() {
	v.end(context.DeadlineExceeded)
	_ = v.CloseNow()
	<-v.over
}

func (v *conversation) ended() bool {
	select {
	case <-v.over:
		return true
	default:
		return false
	}
}

func runWSMove(e *env, class *Class, i int) {
	c := newClient(e, class, i)
	var v *conversation
	open := func() {
		start := time.Now()
		conn, err := dialWS(e, countPath, c.first.opened)
		class.Counts.Record(start, time.Now(), 0, err)
		if err != nil {
			c.first.end()
			c.sleep(afterLoss)
			return
		}
		v = newConversation(conn, class.Counts)
	}
	open()
	more := c.sleep(c.between(0, ramp))
	for n := 1; more; n++ {
		switch {
		case v == nil:
			open()
		case v.ended():
			c.first.end()
			_ = v.CloseNow()
			v = nil
			more = c.sleep(afterLoss)
			continue
		case v.waits() > e.Timeout:
			v.giveUp()
		default:
			v.say(fmt.Sprintf("message %d of %d", n, i), e.Timeout)
		}
		more = c.sleep(c.between(e.sizes.ThinkMin, e.sizes.ThinkMax))
	}
	if v != nil {
		v.finish(e.Timeout)
		c.first.closeConn = func() { _ = v.CloseNow() }
	}
}

// finish waits for the answers that are still to come.
func (v *conversation) finish(timeout time.Duration) {
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for v.waits() > 0 {
		if v.waits() > timeout {
			v.giveUp()
			return
		}
		<-tick.C
	}
}

// askCount asks whether the server numbers its answers.
func askCount(e *env) error {
	c, err := dialWS(e, countPath, nil)
	if err != nil {
		return err
	}
	defer func() { _ = c.CloseNow() }()
	ctx, cancel := context.WithTimeout(context.Background(), e.Timeout)
	defer cancel()
	for _, want := range []string{"1 probe", "2 probe"} {
		if err := c.Write(ctx, websocket.MessageText, []byte("probe")); err != nil {
			return err
		}
		_, b, err := c.Read(ctx)
		if err != nil {
			return err
		}
		if string(b) != want {
			return fmt.Errorf("%w: got %.40q, want %q", tally.ErrWrong, b, want)
		}
	}
	return nil
}
