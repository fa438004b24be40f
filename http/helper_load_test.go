//go:build linux

package restarthttp_test

import (
	"errors"
	"os"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"example.com/restart/internal/proctest"
)

// size is how large a test is: what the environment says, for figures, or small.
func size(t *testing.T, name string, small int) int {
	t.Helper()
	s := os.Getenv(name)
	if s == "" {
		return small
	}
	n, err := strconv.Atoi(s)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// A load is requests of many clients.
type load struct {
	t        *testing.T
	answered atomic.Int64
	clients  sync.WaitGroup
	end      func() // ends the clients
}

// errTold ends a client in good order: the server has told it to go.
var errTold = errors.New("the connection closes")

// startLoad starts clients. Client i makes one request after another by what
// dial(i) has returned, and ends with its first failure.
func startLoad(t *testing.T, clients int, dial func(i int) (request func() error)) *load {
	t.Helper()
	l := &load{t: t}
	var halt atomic.Bool
	l.end = sync.OnceFunc(func() {
		halt.Store(true)
		l.clients.Wait()
		t.Logf("%d requests", l.answered.Load())
	})
	t.Cleanup(l.end)
	for i := range clients {
		request := dial(i)
		l.clients.Go(func() {
			for !halt.Load() {
				switch err := request(); err {
				case nil:
					l.answered.Add(1)
				case errTold:
					return
				default:
					t.Errorf("client %d: a request was lost: %v", i, err)
					return
				}
			}
		})
	}
	return l
}

// more waits for n more answers.
func (l *load) more(n int64) {
	l.t.Helper()
	l.moreOf(&l.answered, n)
}

// moreOf waits until count, which the requests add to, has grown by n.
func (l *load) moreOf(count *atomic.Int64, n int64) {
	l.t.Helper()
	n += count.Load()
	for bound := time.Now().Add(proctest.Patience); count.Load() < n; <-time.After(time.Millisecond) {
		if l.t.Failed() || time.Now().After(bound) {
			l.t.Fatal("no answers")
		}
	}
}
