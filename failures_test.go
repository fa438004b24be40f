//go:build linux

package restart

import (
	"errors"
	"net"
	"strings"
	"testing"
	"time"
)

// failing is a service that fails when told.
type failing struct {
	adopterStub
	when chan struct{}
	err  error
}

func (f *failing) Serve(ln net.Listener) error {
	defer ln.Close()
	go ln.Accept() // the service is seen to serve
	<-f.when
	return f.err
}

// Run's error names every service that failed, not the first one only.
func TestRunNamesEveryFailure(t *testing.T) {
	r, err := New(Options{})
	if err != nil {
		t.Fatal(err)
	}
	when := make(chan struct{})
	errOne, errTwo := errors.New("disk full"), errors.New("no route")
	for name, err := range map[string]error{"one": errOne, "two": errTwo} {
		if _, err := r.Add(name, "tcp", "127.0.0.1:0", &failing{when: when, err: err}); err != nil {
			t.Fatal(err)
		}
	}
	result := make(chan error, 1)
	go func() { result <- r.Run(t.Context()) }()
	close(when)
	select {
	case err := <-result:
		if !errors.Is(err, errOne) || !errors.Is(err, errTwo) || strings.Contains(err.Error(), "\n") {
			t.Errorf("got %v, want both failures in one line", err)
		}
	case <-time.After(20 * time.Second):
		t.Fatal("Run does not return")
	}
}
