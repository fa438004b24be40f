package clients

import (
	"errors"
	"math/rand/v2"
	"testing"

	"example.com/restart/storm/internal/tally"
)

func TestEchoFindsWhatIsWrong(t *testing.T) {
	tests := []struct {
		name   string
		change func([]byte) []byte
		wrong  bool
	}{
		{"same", func(b []byte) []byte { return b }, false},
		{"one byte differs", func(b []byte) []byte { b[len(b)-1]++; return b }, true},
		{"short", func(b []byte) []byte { return b[:len(b)-1] }, true},
		{"long", func(b []byte) []byte { return append(b, 'x') }, true},
		{"empty", func([]byte) []byte { return nil }, true},
		{"somebody else's", func(b []byte) []byte { b[0], b[1] = b[1]+1, b[0]; return b }, true},
	}
	for _, tt := range tests {
		e := newEcho("host", 50)
		r := e.next(rand.New(rand.NewPCG(1, 2)))
		answer := tt.change(append([]byte(nil), e.body...))
		for len(answer) > 0 { // in pieces
			n := min(7, len(answer))
			if err := r.sink(answer[:n]); err != nil {
				t.Fatal(err)
			}
			answer = answer[n:]
		}
		if got := errors.Is(r.check(), tally.ErrWrong); got != tt.wrong {
			t.Errorf("%s: wrong %v, want %v", tt.name, got, tt.wrong)
		}
	}
}
