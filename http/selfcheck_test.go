package http

import "testing"

func TestProbe(t *testing.T) {
	for _, tt := range []struct {
		stray string
		moved bool
	}{{"", true}, {"X", false}, {"\r\n", false}, {"GET / HT", false}} {
		if moved, whole := probe(tt.stray); moved != tt.moved || !whole {
			t.Errorf("stray %q: got moved %v, whole %v; want %v, true", tt.stray, moved, whole, tt.moved)
		}
	}
}
