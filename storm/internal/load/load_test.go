package load

import (
	"errors"
	"math/rand/v2"
	"testing"
	"time"

	"example.com/restart/storm/endpoints"
	"example.com/restart/storm/internal/tally"
)

func TestFramesFindGoAway(t *testing.T) {
	frame := func(kind byte, payload int) []byte {
		b := append([]byte{byte(payload >> 16), byte(payload >> 8), byte(payload), kind}, make([]byte, 5)...)
		for range payload {
			b = append(b, typeGoAway) // a payload that looks like the type
		}
		return b
	}
	join := func(parts ...[]byte) (all []byte) {
		for _, p := range parts {
			all = append(all, p...)
		}
		return all
	}
	tests := []struct {
		name string
		wire []byte
		want bool
	}{
		{"none", nil, false},
		{"settings and data", join(frame(4, 0), frame(0, 300), frame(1, 70000)), false},
		{"at once", frame(typeGoAway, 8), true},
		{"after data", join(frame(0, 5000), frame(typeGoAway, 8)), true},
		{"after an empty frame", join(frame(4, 0), frame(typeGoAway, 8), frame(0, 1)), true},
		{"cut before the type", frame(typeGoAway, 8)[:3], false},
	}
	for _, tt := range tests {
		for _, size := range []int{1, 2, 9, 10, 4096} {
			var f frames
			got := false
			for rest := tt.wire; len(rest) > 0; {
				n := min(size, len(rest))
				got = f.goAway(rest[:n]) || got
				rest = rest[n:]
			}
			if got && !tt.want || !got && tt.want {
				t.Errorf("%s in pieces of %d: got %v, want %v", tt.name, size, got, tt.want)
			}
		}
	}
}

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

func TestDownloadIsChecked(t *testing.T) {
	const size = 10_000
	whole := func() []byte { return append([]byte(nil), endpoints.Pattern(0, size)...) }
	tests := []struct {
		name   string
		change func([]byte) []byte
		wrong  bool
	}{
		{"same", func(b []byte) []byte { return b }, false},
		{"short", func(b []byte) []byte { return b[:size-1] }, true},
		{"long", func(b []byte) []byte { return append(b, 0) }, true},
		{"one byte differs", func(b []byte) []byte { b[5000]++; return b }, true},
		{"a block left out", func(b []byte) []byte { return append(append(b[:4096:4096], b[8192:]...), make([]byte, 4096)...) }, true},
		{"a block twice", func(b []byte) []byte { copy(b[4096:8192], b[:4096]); return b }, true},
	}
	for _, tt := range tests {
		d := &throttled{size: size, rate: 1 << 40, sleep: func(time.Duration) {}}
		d.reset()
		for rest := tt.change(whole()); len(rest) > 0; {
			n := min(1500, len(rest))
			if err := d.sink(rest[:n]); err != nil {
				t.Fatal(err)
			}
			rest = rest[n:]
		}
		if got := errors.Is(d.check(), tally.ErrWrong); got != tt.wrong {
			t.Errorf("%s: wrong %v, want %v", tt.name, got, tt.wrong)
		}
	}
}

func TestDownloadIsThrottled(t *testing.T) {
	var slept time.Duration
	d := &throttled{size: 4000, rate: 1000, sleep: func(w time.Duration) { slept += w }}
	d.reset()
	if err := d.sink(endpoints.Pattern(0, 1000)); err != nil {
		t.Fatal(err)
	}
	if slept < 900*time.Millisecond || slept > time.Second {
		t.Errorf("got %v of sleep for a second's worth of bytes, want one", slept)
	}
}

func TestSizesCheck(t *testing.T) {
	if err := Default().Check(); err != nil {
		t.Errorf("default: %v", err)
	}
	if err := (Sizes{}).Check(); err != nil {
		t.Errorf("all off: %v", err)
	}
	for name, change := range map[string]func(*Sizes){
		"negative":       func(s *Sizes) { s.WS = -1 },
		"too many":       func(s *Sizes) { s.Fresh = 1 << 30 },
		"think reversed": func(s *Sizes) { s.ThinkMax = s.ThinkMin - 1 },
		"no rate":        func(s *Sizes) { s.DownloadRate = 0 },
		"negative pause": func(s *Sizes) { s.BusyPause = -1 },
	} {
		s := Default()
		change(&s)
		if s.Check() == nil {
			t.Errorf("%s: no error", name)
		}
	}
}
