package handshake

import (
	"os"
	"testing"
	"time"
)

// A lifeline's wait ends with its owner, not before, and when it is cut.
func TestLifelineWait(t *testing.T) {
	pipe := func() (Lifeline, *os.File) {
		r, w, err := os.Pipe()
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { r.Close(); w.Close() })
		return Lifeline{File: r}, w
	}
	result := make(chan bool, 1)
	await := func(want bool) {
		t.Helper()
		select {
		case got := <-result:
			if got != want {
				t.Errorf("got %v, want %v", got, want)
			}
		case <-time.After(10 * time.Second):
			t.Fatal("wait does not end")
		}
	}

	l, owner := pipe()
	if l.Gone() {
		t.Error("gone while the owner lives")
	}
	go func() { result <- l.Wait() }()
	owner.Close()
	await(true)
	if !l.Gone() {
		t.Error("not gone after its owner")
	}

	l, _ = pipe()
	go func() { result <- l.Wait() }()
	l.Cut()
	await(false)
}
