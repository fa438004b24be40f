package tcp

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

// When descriptors run out, Serve accepts again after a pause that doubles.
func TestAcceptBacksOff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := New(func(_ context.Context, c net.Conn) { io.Copy(c, c) })
		s.Logger = slog.New(slog.DiscardHandler)
		l, dial, served := serve(t, s)
		var got []time.Duration
		last := time.Now()
		fail := func(err syscall.Errno) {
			l.accepts <- &net.OpError{Op: "accept", Err: err}
			got = append(got, time.Since(last))
			last = time.Now()
		}
		for range 5 {
			fail(syscall.EMFILE)
			fail(syscall.ENFILE)
		}
		ms := func(n ...time.Duration) []time.Duration {
			for i := range n {
				n[i] *= time.Millisecond
			}
			return n
		}
		if diff := cmp.Diff(ms(0, 5, 10, 20, 40, 80, 160, 320, 640, 1000), got); diff != "" {
			t.Errorf("pauses (-want +got):\n%s", diff)
		}

		// A success resets the pause.
		c := dial()
		if got := talk(t, c, "x\n"); got != "x\n" {
			t.Errorf("got %q", got)
		}
		c.Close()
		last, got = time.Now(), nil
		fail(syscall.ENOBUFS)
		fail(syscall.ENOMEM)
		if diff := cmp.Diff(ms(0, 5), got); diff != "" {
			t.Errorf("pauses after a success (-want +got):\n%s", diff)
		}

		// Shutdown does not wait for the end of a pause.
		before := time.Now()
		if err := s.Shutdown(t.Context()); err != nil {
			t.Error(err)
		}
		if err := <-served; !errors.Is(err, net.ErrClosed) {
			t.Errorf("Serve: got %v, want net.ErrClosed", err)
		}
		if waited := time.Since(before); waited != 0 {
			t.Errorf("Shutdown waited %v", waited)
		}
	})
}

func TestOtherAcceptErrorsEndServe(t *testing.T) {
	s := New(func(context.Context, net.Conn) {})
	l, _, served := serve(t, s)
	l.accepts <- syscall.EINVAL
	if err := <-served; !errors.Is(err, syscall.EINVAL) {
		t.Errorf("got %v, want EINVAL", err)
	}
	<-l.closed
}
