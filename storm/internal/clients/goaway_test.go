package clients

import "testing"

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
