//go:build linux

package restart

import (
	"context"
	"net"
	"testing"
)

// A successor must not say that it is ready while an Add is half done: the
// socket that it has claimed, but not listed yet, would count as dropped, and
// the predecessor would keep its connections.
func TestHalfDoneAddHoldsReadyBack(t *testing.T) {
	tab := newTable(net.ListenConfig{}, nil)
	first := &socket{name: "first", network: "tcp", address: "127.0.0.1:0", stream: new(adopterStub)}
	if err := tab.add(context.Background(), first); err != nil {
		t.Fatal(err)
	}
	defer first.close()
	<-tab.added
	if tab.adding(1) {
		t.Error("got an Add under way, want none")
	}
	second := &socket{name: "second", network: "tcp", address: "127.0.0.1:-1", stream: new(adopterStub)}
	if err := tab.reserve(second); err != nil {
		t.Fatal(err)
	}
	if !tab.adding(1) {
		t.Error("got no Add under way, want the half done one")
	}
	delete(tab.names, second.name)
	if err := tab.add(context.Background(), second); err == nil {
		t.Fatal("got no error for port -1")
	}
	select {
	case <-tab.added:
	default:
		t.Error("an Add that failed does not wake who waits for it")
	}
	if tab.adding(1) {
		t.Error("a failed Add is still under way")
	}
}
