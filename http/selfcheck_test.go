package restarthttp

import "testing"

func TestSelfCheckMovesOnlyAnEmptyBuffer(t *testing.T) {
	for _, tt := range []struct {
		stray string
		moved bool
	}{{"", true}, {"X", false}, {"\r\nG", false}, {"GET / HT", false}, {"GET / HTTP/1.1\r\n", false}, {"GET / HTTP/1.1\r\nHost: x\r\n", false}} {
		if moved, whole, _ := tryMove(tt.stray); moved != tt.moved || !whole {
			t.Errorf("stray %q: got moved %v, whole %v; want %v, true", tt.stray, moved, whole, tt.moved)
		}
	}
	if selfCheck() < 1024 {
		t.Errorf("got a buffer of %d bytes, want net/http's", selfCheck())
	}
}

func TestSelfCheckTLS(t *testing.T) {
	if !selfCheckTLS() {
		t.Fatal("crypto/tls does not behave as known")
	}
}
