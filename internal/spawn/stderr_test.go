package spawn

import (
	"strings"
	"testing"
)

func TestTailKeepsTheEnd(t *testing.T) {
	tl := new(Tail)
	for range 10 {
		tl.Write([]byte(strings.Repeat("x", tailSize/3)))
	}
	tl.Write([]byte("end"))
	if got := tl.String(); len(got) != tailSize || !strings.HasSuffix(got, "xend") {
		t.Errorf("got %d bytes that end with %q", len(got), got[max(0, len(got)-10):])
	}
}

func TestLastWords(t *testing.T) {
	for in, want := range map[string]string{
		"": "", "a": "a", "a\nb": "a\nb", "a\nb\n\n": "a\nb", "1\n2\n3\n4\n": "2\n3\n4",
		"log\npanic: no\n\ngoroutine 1 [running]:\nmain.main()\n\tx.go:1\nexit status 2\n":    "panic: no\n\ngoroutine 1 [running]:",
		"fatal error: all goroutines are asleep - deadlock!\n\ngoroutine 1 [select]:\na\nb\n": "fatal error: all goroutines are asleep - deadlock!\n\ngoroutine 1 [select]:",
		"panic: no": "panic: no",
	} {
		if got := LastWords(in, 3); got != want {
			t.Errorf("%q: got %q, want %q", in, got, want)
		}
	}
}
