//go:build linux

package main

import (
	"context"
	"flag"
	"fmt"
	"net"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/coder/websocket"

	"example.com/restart/examples/internal/exampletest"
)

var (
	users    = flag.Int("users", 20, "users in TestNobodyMissesAMessage")
	restarts = flag.Int("restarts", 5, "restarts in TestNobodyMissesAMessage")
)

func TestReadme(t *testing.T) { exampletest.Readme(t) }

// Over restarts, all users stay connected and get all messages, once and in the
// same order.
func TestNobodyMissesAMessage(t *testing.T) {
	bin := exampletest.Build(t, "1")
	p := exampletest.Start(t, bin, "-addr", "127.0.0.1:0")
	g := p.Serving(1, 1)
	addr := g.Addr["chat"]

	// All join before anybody speaks, so that each gets all.
	var said atomic.Int64
	all := make([]*user, *users)
	for i := range all {
		all[i] = joinAs(t, addr, fmt.Sprint("user", i))
	}
	quiet := make(chan struct{})
	var talking sync.WaitGroup
	for _, u := range all {
		talking.Go(func() { u.talk(quiet, &said) })
	}
	for i := range *restarts {
		for _, u := range all {
			u.awaitAnswers(t, u.answers.Load()+3)
		}
		old := g.PID
		p.Signal(old, syscall.SIGHUP)
		g = p.Serving(i+2, 1)
		p.Gone(old)
	}
	for _, u := range all {
		u.awaitAnswers(t, u.answers.Load()+3)
	}
	close(quiet)
	talking.Wait()
	for _, u := range all {
		u.hear(t, int(said.Load()))
		u.ws.Close(websocket.StatusNormalClosure, "")
	}

	for _, u := range all {
		if !slices.Equal(u.heard, all[0].heard) {
			t.Errorf("%s and %s have not heard the same", u.name, all[0].name)
		}
		var own []string
		for _, text := range all[0].heard {
			if said, ok := strings.CutPrefix(text, u.name+": "); ok {
				own = append(own, said)
			}
		}
		for n, text := range own {
			if text != fmt.Sprint(n+1) {
				t.Fatalf("%s's message %d is %q", u.name, n+1, text)
			}
		}
		if len(own) != u.said {
			t.Errorf("%s said %d, %d were heard", u.name, u.said, len(own))
		}
	}
	t.Logf("%d users, %d restarts: each got all %d messages; the longest pause was %v", *users, *restarts, said.Load(), longestPause(all))
	p.Signal(g.PID, syscall.SIGTERM)
	p.Gone(g.PID)
}

// A process that is killed while its users move leaves nothing. The successor
// does not wait for it.
func TestChatGoesOnWhenThePredecessorIsKilled(t *testing.T) {
	bin := exampletest.Build(t, "1")
	p := exampletest.Start(t, bin, "-addr", "127.0.0.1:0")
	first := p.Serving(1, 1)
	addr := first.Addr["chat"]
	held, err := net.Dial("tcp", addr) // the first process cannot end without it
	if err != nil {
		t.Fatal(err)
	}
	defer held.Close()
	fmt.Fprint(held, "GET / HTTP/1.1\r\n") // not all of a request
	p.Signal(first.PID, syscall.SIGHUP)
	second := p.Serving(2, 1)
	// It has ended only if the machine is slow. A user who came before could be its own.
	_ = syscall.Kill(first.PID, syscall.SIGKILL)
	p.Gone(first.PID)
	u := joinAs(t, addr, "late")
	var said atomic.Int64
	quiet := make(chan struct{})
	var talking sync.WaitGroup
	talking.Go(func() { u.talk(quiet, &said) })
	u.awaitAnswers(t, 3)
	close(quiet)
	talking.Wait()
	u.ws.Close(websocket.StatusNormalClosure, "")
	p.Signal(second.PID, syscall.SIGTERM)
	p.Gone(second.PID)
}

// A user never connects anew.
type user struct {
	name    string
	ws      *websocket.Conn
	answers atomic.Int64 // own messages that were heard
	failed  atomic.Bool  // talk has returned with an error

	// To be read when talk has returned.
	said    int
	heard   []string
	err     error
	longest time.Duration // from saying something to hearing it
}

func joinAs(t *testing.T, addr, name string) *user {
	t.Helper()
	ws, _, err := websocket.Dial(t.Context(), "ws://"+addr+"/?name="+name, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { ws.CloseNow() })
	return &user{name: name, ws: ws}
}

// talk says one number after the other, each when the one before was heard.
func (u *user) talk(quiet <-chan struct{}, said *atomic.Int64) {
	defer func() { u.failed.Store(u.err != nil) }()
	for {
		select {
		case <-quiet:
			return
		default:
		}
		begun := time.Now()
		text := fmt.Sprint(u.said + 1)
		if u.err = u.ws.Write(context.Background(), websocket.MessageText, []byte(text)); u.err != nil {
			return
		}
		u.said++
		said.Add(1)
		for heard := ""; heard != u.name+": "+text; {
			if heard, u.err = u.read(); u.err != nil {
				return
			}
		}
		u.answers.Add(1)
		u.longest = max(u.longest, time.Since(begun))
	}
}

// read returns the next message. Its number must follow that of the last one.
func (u *user) read() (string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), exampletest.Patience)
	defer cancel()
	_, b, err := u.ws.Read(ctx)
	if err != nil {
		return "", fmt.Errorf("after %d messages: %w", len(u.heard), err)
	}
	number, text, _ := strings.Cut(string(b), " ")
	if number != fmt.Sprint(len(u.heard)+1) {
		return "", fmt.Errorf("got message %q after %d", b, len(u.heard))
	}
	u.heard = append(u.heard, text)
	return text, nil
}

// awaitAnswers waits until the user has heard so many of the own messages.
func (u *user) awaitAnswers(t *testing.T, n int64) {
	t.Helper()
	exampletest.Until(t, fmt.Sprintf("%s has heard %d of the own messages", u.name, n), func() bool { return u.answers.Load() >= n || u.failed.Load() })
	if u.failed.Load() {
		t.Fatalf("%s: %v", u.name, u.err)
	}
}

// hear reads until all n messages are heard.
func (u *user) hear(t *testing.T, n int) {
	t.Helper()
	for u.err == nil && len(u.heard) < n {
		_, u.err = u.read()
	}
	if u.err != nil {
		t.Errorf("%s: %v", u.name, u.err)
	}
}

func longestPause(all []*user) (longest time.Duration) {
	for _, u := range all {
		longest = max(longest, u.longest)
	}
	return longest
}
