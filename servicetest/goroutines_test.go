package servicetest

import (
	"net"
	"sync"
	"testing"

	"example.com/restart"
	"example.com/restart/tcp"
)

// A library starts a goroutine once in a process and never ends it, as fasthttp
// does.
type library struct {
	once  sync.Once
	stop  chan struct{}
	ended sync.WaitGroup
}

func newLibrary(t *testing.T) *library {
	l := &library{stop: make(chan struct{})}
	t.Cleanup(func() {
		close(l.stop)
		l.ended.Wait()
	})
	return l
}

func (l *library) use() {
	l.once.Do(func() { l.ended.Go(func() { <-l.stop }) })
}

// A libraryUser uses a library in Serve.
type libraryUser struct {
	*tcp.Server
	library *library
}

func (u *libraryUser) Serve(l net.Listener) error {
	u.library.use()
	return u.Server.Serve(l)
}

// A goroutine that a library starts once is held against no service.
func TestGoroutineOfLibrary(t *testing.T) {
	makeService := func(l *library) func() restart.Service {
		return func() restart.Service { return &libraryUser{newEcho(), l} }
	}
	if err := performNamed(t, "Serve answers", makeService(newLibrary(t)), probe, short); err != nil {
		t.Errorf("without a warm-up: %v", err)
	}
	l := newLibrary(t)
	warmUp(makeService(l), probe, short)
	for _, c := range checks {
		if err := performOnce(c, makeService(l), probe, usual); err != nil {
			t.Errorf("after a warm-up: %s: %v", c.name, err)
		}
	}
}
