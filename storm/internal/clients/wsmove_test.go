package clients

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"

	"example.com/restart/storm/internal/tally"
)

// Whatever a server does wrong with a message shows, and is counted once.
func TestConversationFindsFaults(t *testing.T) {
	const wait = 5 * time.Second
	number := func(n int, text []byte) string { return fmt.Sprintf("%d %s", n, text) }
	for name, tt := range map[string]struct {
		// answers returns what the server says to the message of this number.
		answers func(c *websocket.Conn, n int, text []byte) []string
		want    tally.Totals
	}{
		"good": {
			func(_ *websocket.Conn, n int, text []byte) []string { return []string{number(n, text)} },
			tally.Totals{Outcomes: [tally.Outcomes]int64{tally.Answered: 3}},
		},
		"doubled": {
			func(_ *websocket.Conn, n int, text []byte) []string {
				return []string{number(n, text), number(n, text)}
			},
			tally.Totals{Outcomes: [tally.Outcomes]int64{tally.Answered: 1, tally.Wrong: 2}},
		},
		"left out": {
			func(_ *websocket.Conn, n int, text []byte) []string {
				if n == 2 {
					return nil
				}
				return []string{number(n, text)}
			},
			tally.Totals{Outcomes: [tally.Outcomes]int64{tally.Answered: 1, tally.Wrong: 2}},
		},
		"number forgotten": {
			func(_ *websocket.Conn, n int, text []byte) []string { return []string{number(max(1, n-1), text)} },
			tally.Totals{Outcomes: [tally.Outcomes]int64{tally.Answered: 1, tally.Wrong: 2}},
		},
		"closed in good order": {
			func(c *websocket.Conn, n int, text []byte) []string {
				if n == 3 {
					c.Close(websocket.StatusGoingAway, "")
					return nil
				}
				return []string{number(n, text)}
			},
			tally.Totals{Outcomes: [tally.Outcomes]int64{tally.Answered: 2, tally.Reset: 1}, Announced: 1},
		},
		"cut": {
			func(c *websocket.Conn, n int, text []byte) []string {
				if n == 3 {
					c.CloseNow()
					return nil
				}
				return []string{number(n, text)}
			},
			tally.Totals{Outcomes: [tally.Outcomes]int64{tally.Answered: 2, tally.Reset: 1}},
		},
		"silent": {
			func(_ *websocket.Conn, n int, text []byte) []string {
				if n == 3 {
					return nil
				}
				return []string{number(n, text)}
			},
			tally.Totals{Outcomes: [tally.Outcomes]int64{tally.Answered: 2, tally.TimedOut: 1}},
		},
	} {
		t.Run(name, func(t *testing.T) {
			heard := make(chan struct{})
			s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				c, err := websocket.Accept(w, r, nil)
				if err != nil {
					t.Error(err)
					return
				}
				defer c.CloseNow()
				<-heard
				for n := 1; ; n++ {
					_, b, err := c.Read(r.Context())
					if err != nil {
						return
					}
					for _, answer := range tt.answers(c, n, b) {
						_ = c.Write(r.Context(), websocket.MessageText, []byte(answer))
					}
				}
			}))
			defer s.Close()
			counts := tally.NewClass("test", new(tally.Phase))
			e := &env{Target: Target{Plain: strings.TrimPrefix(s.URL, "http://"), Timeout: wait}}
			c, err := dialWS(e, "/", nil)
			if err != nil {
				t.Fatal(err)
			}
			v := newConversation(c, counts)
			defer v.CloseNow()
			for n := range 3 {
				v.say(fmt.Sprint("message ", n), wait)
			}
			close(heard) // all three are in flight
			if name == "silent" {
				for bound := time.Now().Add(wait); counts.Totals().Requests() < 2; time.Sleep(time.Millisecond) {
					if time.Now().After(bound) {
						t.Fatal("the first two messages are not answered")
					}
				}
				v.finish(0)
			} else {
				v.finish(wait)
			}
			got := counts.Totals()
			got.Losses = nil
			if fmt.Sprint(got) != fmt.Sprint(tt.want) {
				t.Errorf("got %+v, want %+v", got, tt.want)
			}
		})
	}
}

// A WebSocket that ends while nothing is in flight is no lost message, but it has not stayed.
func TestConversationThatEndsIdle(t *testing.T) {
	for announced, end := range map[bool]func(*websocket.Conn){
		true:  func(c *websocket.Conn) { c.Close(websocket.StatusGoingAway, "") },
		false: func(c *websocket.Conn) { c.CloseNow() },
	} {
		s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if c, err := websocket.Accept(w, r, nil); err == nil {
				end(c)
			}
		}))
		counts := tally.NewClass("test", new(tally.Phase))
		c, err := dialWS(&env{Target: Target{Plain: strings.TrimPrefix(s.URL, "http://"), Timeout: time.Minute}}, "/", nil)
		if err != nil {
			t.Fatal(err)
		}
		v := newConversation(c, counts)
		<-v.over
		_ = v.CloseNow()
		s.Close()
		v.say("too late", time.Minute)
		got := counts.Totals()
		if got.Requests() != 0 || (got.Announced == 1) != announced || (got.ClosedIdle == 1) == announced || !v.ended() {
			t.Errorf("announced %v: got %+v", announced, got)
		}
	}
}

// The probe takes no other WebSocket for one that counts.
func TestAskCount(t *testing.T) {
	for answer, good := range map[string]bool{"%d %s": true, "%[2]s": false} {
		s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			c, err := websocket.Accept(w, r, nil)
			if err != nil {
				return
			}
			defer c.CloseNow()
			for n := 1; ; n++ {
				_, b, err := c.Read(context.Background())
				if err != nil {
					return
				}
				_ = c.Write(context.Background(), websocket.MessageText, fmt.Appendf(nil, answer, n, b))
			}
		}))
		e := &env{Target: Target{Plain: strings.TrimPrefix(s.URL, "http://"), Timeout: time.Minute}}
		if err := askCount(e); (err == nil) != good {
			t.Errorf("answers of the form %q: got %v, want it good: %v", answer, err, good)
		}
		s.Close()
	}
}
