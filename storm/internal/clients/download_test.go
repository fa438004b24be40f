package clients

import (
	"errors"
	"testing"
	"time"

	"example.com/restart/storm/endpoints"
	"example.com/restart/storm/internal/tally"
)

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
