package restarthttp

import (
	"context"
	"io"
	"net"
	"net/http"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// In the last part of a drain no request begins, on whatever connection: the
// hammer would only cut it. One that has begun has that time to end.
func TestNoRequestBeginsBeforeTheHammer(t *testing.T) {
	const hammer, reserve = time.Minute, 10 * time.Second
	const taking = hammer - reserve
	for name, tt := range map[string]struct {
		moves  bool
		sends  []sending
		want   int32         // handlers that have run
		closed time.Duration // when the client sees the end
	}{
		"nothing comes":      {sends: []sending{}, closed: taking},
		"in time":            {sends: []sending{{taking - time.Second, get("/")}}, want: 1, closed: taking - time.Second},
		"too late":           {sends: []sending{{taking + time.Second, get("/")}}, closed: taking},
		"half of it in time": {sends: []sending{{taking - time.Second, get("/")[:5]}, {2 * time.Second, get("/")[5:]}}, closed: taking},
		"begun in time":      {sends: []sending{{taking - time.Second, get("/slow")}}, want: 1, closed: hammer - 2*time.Second},
		"the next one": {
			sends: []sending{{-time.Second, get("/slow")}, {taking - 2*time.Second, get("/")}},
			want:  1, closed: hammer - 2*time.Second,
		},
		"the next one, and it could move": {
			moves: true, sends: []sending{{-time.Second, get("/slow")}, {taking - 2*time.Second, get("/")}},
			want: 1, closed: hammer - 2*time.Second,
		},
		"half of it in time, and it could move": {
			moves: true, sends: []sending{{-time.Second, get("/")[:5]}, {taking + 2*time.Second, get("/")[5:]}}, closed: taking,
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var handled atomic.Int32
				var drain time.Time
				s := Wrap(&http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					handled.Add(1)
					http.NewResponseController(w).Flush() // too early for Connection: close
					if r.URL.Path == "/slow" {
						time.Sleep(time.Until(drain.Add(hammer - 2*time.Second)))
					}
				})})
				s.Linger = time.Hour
				l := serveInBubble(t, s)
				if tt.moves {
					s.sendBy(func(c net.Conn, _ []byte) error { t.Error("it moves"); return c.Close() })
				}
				client, server := net.Pipe()
				l.deliver(server)
				began := time.Now()
				drain = began.Add(time.Second)
				sent := make(chan struct{})
				go func() {
					defer close(sent)
					at := drain
					for _, next := range tt.sends {
						at = at.Add(next.after)
						time.Sleep(time.Until(at))
						io.WriteString(client, next.text)
					}
				}()
				closed := make(chan time.Duration, 1)
				go func() {
					io.Copy(io.Discard, client)
					closed <- time.Since(drain)
				}()
				time.Sleep(time.Second)
				ctx, cancel := context.WithTimeout(t.Context(), hammer)
				defer cancel()
				if err := s.Shutdown(ctx); err != nil {
					t.Errorf("Shutdown: %v", err)
				}
				s.Close() // the hammer
				if got := <-closed; got != tt.closed {
					t.Errorf("closed after %v, want %v", got, tt.closed)
				}
				if got := handled.Load(); got != tt.want {
					t.Errorf("%d requests were handled, want %d", got, tt.want)
				}
				client.Close()
				<-sent
			})
		})
	}
}
