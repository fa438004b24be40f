//go:build linux

package restart

import (
	"net"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// lateOnce is a listener that was kept from running for so long, the first
// time that it empties its queue, that its deadline has passed before it looks.
type lateOnce struct {
	deadliner
	armed atomic.Bool
}

func (l *lateOnce) SyscallConn() (syscall.RawConn, error) {
	return l.deadliner.(syscall.Conn).SyscallConn()
}

func (l *lateOnce) SetDeadline(at time.Time) error {
	if time.Until(at) > 0 && l.armed.Swap(false) {
		at = time.Unix(1, 0)
	}
	return l.deadliner.SetDeadline(at)
}

// A deadline that has passed says nothing of the queue: package net does not
// even look there. It passes when the machine is busy, and when the wake-up
// of empty hits an Accept that has seen the new phase already.
func TestEmptyBelievesTheQueueNotTheClock(t *testing.T) {
	real, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	late := &lateOnce{deadliner: real.(deadliner)}
	ln, conns, _ := gateOf(t, late)
	<-ln.accepting
	const n = 10
	dial(t, ln, n)
	served := make(chan struct{})
	go func() {
		defer close(served)
		for range n {
			select {
			case c := <-conns:
				c.Close()
			case <-ln.emptied:
				// One may be on its way still.
				select {
				case c := <-conns:
					c.Close()
				case <-time.After(100 * time.Millisecond):
					t.Error("the queue was given up with clients in it")
					return
				}
			}
		}
	}()
	late.armed.Store(true)
	ln.empty(t.Context())
	<-served
}
