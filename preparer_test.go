//go:build linux

package restart

import (
	"errors"
	"net"
	"slices"
	"syscall"
	"testing"
)

// A preparing service notes when it is asked.
type preparing struct {
	*testService
	calls *[]string
	fail  error
}

func (p *preparing) PrepareSocket(network, address string, c syscall.RawConn) error {
	*p.calls = append(*p.calls, "service "+network)
	return p.fail
}

// A service prepares its own socket, after what Options say, before it is bound.
func TestPreparer(t *testing.T) {
	var calls []string
	options := Options{ListenConfig: net.ListenConfig{Control: func(network, _ string, _ syscall.RawConn) error {
		calls = append(calls, "options "+network)
		return nil
	}}}
	r := fakeRestarter(t, options, fakeSystem())
	if _, err := r.Add("web", "tcp", "127.0.0.1:0", &preparing{newTestService(), &calls, nil}); err != nil {
		t.Fatal(err)
	}
	if want := []string{"options tcp4", "service tcp4"}; !slices.Equal(calls, want) {
		t.Errorf("got %q, want %q", calls, want)
	}
	fail := errors.New("not this one")
	if _, err := r.Add("other", "tcp", "127.0.0.1:0", &preparing{newTestService(), &calls, fail}); !errors.Is(err, fail) {
		t.Errorf("got %v", err)
	}
	for _, s := range r.table.list() {
		s.close()
	}
}
