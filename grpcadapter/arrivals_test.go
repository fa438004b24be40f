package grpcadapter

import (
	"errors"
	"net"
	"testing"
)

// Shutdown waits until the Server has seen each accepted connection: after
// GracefulStop gRPC would close it without a word.
func TestArrivalIsSeenFirst(t *testing.T) {
	f := newFake()
	conns := make(chan net.Conn)
	f.serve = func(l net.Listener) error {
		c, err := l.Accept()
		if err != nil {
			return err
		}
		conns <- c
		_, err = l.Accept()
		return err
	}
	a := New(f)
	l := listen(t)
	served := make(chan error, 1)
	go func() { served <- a.Serve(l) }()
	client, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	c := <-conns
	settled := make(chan struct{})
	a.once.Close()
	<-served
	if a.arrivals.unsettled() == nil {
		t.Fatal("the connection counts as seen before the Server reads from it")
	}
	go func() { a.arrivals.settle(t.Context()); close(settled) }()
	read := make(chan error)
	go func() { _, err := c.Read(make([]byte, 1)); read <- err }()
	<-settled
	a.arrivals.closeSilent()
	if err := <-read; !errors.Is(err, net.ErrClosed) {
		t.Errorf("a silent connection: got %v, want it closed", err)
	}
	if len(a.arrivals.conns) != 0 {
		t.Errorf("%d arrivals are left", len(a.arrivals.conns))
	}
}
