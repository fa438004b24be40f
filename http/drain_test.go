package restarthttp

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"net"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// Connections that cannot move are told one after another; those that have
// closed meanwhile take no turn.
func TestAnnouncementsAreSpread(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHome()
		r := &run{conns: h.conns}
		var all []*conn
		for i := range 10 {
			c := h.conn(new(scripted), fixed)
			if i%2 == 1 {
				h.become(c, classHTTP2)
			}
			all = append(all, c)
		}
		told := func() (n int) {
			for _, c := range all {
				if c.announces() != announceNot {
					n++
				}
			}
			return n
		}
		began := time.Now()
		over := make(chan struct{})
		go func() { r.giveTurns(t.Context(), modeLinger, 500*time.Millisecond); close(over) }()
		synctest.Wait()
		if got := told(); got != 1 {
			t.Errorf("at first %d are told, want 1", got)
		}
		time.Sleep(200 * time.Millisecond)
		synctest.Wait()
		if got := told(); got != 5 {
			t.Errorf("after 200 ms %d are told, want 5: all within 500 ms", got)
		}
		for _, c := range all {
			if c.announces() == announceNot {
				h.remove(c)
			}
		}
		<-over
		if got := time.Since(began); got != 250*time.Millisecond {
			t.Errorf("took %v, want no turn for those that have closed but the one that was waited for", got)
		}
	})
}

// wantTold checks that all handlers are told within the linger time.
func wantTold(t *testing.T, signals []<-chan struct{}) {
	t.Helper()
	time.Sleep(newHome().lingerTime())
	synctest.Wait()
	for i, s := range signals {
		select {
		case <-s:
		default:
			t.Errorf("handler %d is not told", i)
		}
	}
}

// A connection that is taken over by its handler before its turn is the
// handler's, which has to learn of the drain all the same.
func TestHijackedBeforeItsTurn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHome()
		r := &run{conns: h.conns}
		var all []*conn
		for range 3 {
			c := h.conn(new(scripted), fixed)
			all = append(all, c)
		}
		over := make(chan struct{})
		go func() { r.giveTurns(t.Context(), modeLinger, time.Hour); close(over) }()
		synctest.Wait()
		var signals []<-chan struct{}
		for _, c := range all {
			h.become(c, classHijacked)
			signals = append(signals, c.draining())
		}
		<-over
		wantTold(t, signals)
	})
}

// A handler that stays on its connection is told within the linger time of the
// drain's beginning, whenever the connection has its turn.
func TestHandlersDoNotWaitForTurns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHome()
		r := &run{conns: h.conns}
		var signals []<-chan struct{}
		for range 20 {
			c := h.conn(new(scripted), fixed)
			signals = append(signals, c.draining())
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
		defer cancel()
		r.giveTurns(ctx, modeLinger, time.Hour)
		wantTold(t, signals)
	})
}

// The hammer does not wait for turns.
func TestAnnouncementsEndWithTheDrain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHome()
		r := &run{conns: h.conns}
		for range 3 {
			h.conn(new(scripted), fixed)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
		defer cancel()
		began := time.Now()
		r.giveTurns(ctx, modeLinger, time.Hour)
		if got := time.Since(began); got != time.Millisecond {
			t.Errorf("returned after %v, want the end of the context", got)
		}
	})
}

// A failingMover fails at one of its ends.
type failingMover struct {
	plainMover
	detaches, attaches error
}

func (m failingMover) detach(c *conn) (net.Conn, []byte, error) { return c.Conn, nil, m.detaches }

func (m failingMover) attach(socket net.Conn, _ []byte) (net.Conn, error) { return socket, m.attaches }

// A connection that is closed because nobody can serve it on is an error that an
// operator must see, whether its request is over or not.
func TestConnectionThatNobodyCanServeOnIsLogged(t *testing.T) {
	cause := errors.New("the records do not fit")
	for name, m := range map[string]failingMover{
		"detach": {detaches: cause},
		"attach": {attaches: cause},
	} {
		for end, depart := range map[string]func(*run, *conn) bool{
			"waits for a request": (*run).depart,
			"request is not over": func(r *run, c *conn) bool { return r.departKept(c, new(keptRequest), false) },
		} {
			t.Run(name+", "+end, func(t *testing.T) {
				var log bytes.Buffer
				h := newHome()
				r := &run{conns: h.conns, server: &Server{Logger: slog.New(slog.NewTextHandler(&log, nil))}, mover: m}
				client, socket := net.Pipe()
				defer client.Close()
				defer socket.Close()
				if depart(r, h.conn(socket, movable)) {
					t.Error("it is taken for served")
				}
				for _, want := range []string{"cannot move a connection: it is closed", cause.Error()} {
					if !strings.Contains(log.String(), want) {
						t.Errorf("the log is %q, want %q in it", log.String(), want)
					}
				}
			})
		}
	}
}
