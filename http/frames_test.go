package restarthttp

import (
	"bytes"
	"encoding/binary"
	"testing"

	"pgregory.net/rapid"
)

// aFrame encodes a frame.
func aFrame(op byte, fin, masked bool, size int) []byte {
	b := []byte{op, 0}
	if fin {
		b[0] |= 0x80
	}
	switch {
	case size < 126:
		b[1] = byte(size)
	case size < 1<<16:
		b[1] = 126
		b = binary.BigEndian.AppendUint16(b, uint16(size))
	default:
		b[1] = 127
		b = binary.BigEndian.AppendUint64(b, uint64(size))
	}
	if masked {
		b[1] |= 0x80
		b = append(b, 1, 2, 3, 4)
	}
	return append(b, bytes.Repeat([]byte{0x88}, size)...)
}

// Wherever the bytes are cut, messages end where they end.
func TestFramesFollow(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var stream []byte
		ends := map[int]bool{0: true}
		for range rapid.IntRange(1, 6).Draw(t, "messages") {
			parts := rapid.IntRange(1, 3).Draw(t, "parts")
			for i := range parts {
				if rapid.Bool().Draw(t, "control") {
					stream = append(stream, aFrame(9, true, true, rapid.IntRange(0, 125).Draw(t, "ping"))...)
					if i == 0 {
						ends[len(stream)] = true
					}
				}
				op := byte(2)
				if i > 0 {
					op = 0
				}
				size := rapid.OneOf(rapid.IntRange(0, 200), rapid.IntRange(65_000, 66_000)).Draw(t, "size")
				stream = append(stream, aFrame(op, i == parts-1, true, size)...)
			}
			ends[len(stream)] = true
		}
		var f frames
		for at := 0; at < len(stream); {
			n := rapid.OneOf(rapid.IntRange(1, 20), rapid.IntRange(1, 100_000)).Draw(t, "cut")
			n = min(n, len(stream)-at)
			f.follow(stream[at : at+n])
			at += n
			if f.whole() != ends[at] || f.broken {
				t.Fatalf("at %d of %d: whole %v, want %v; broken %v", at, len(stream), f.whole(), ends[at], f.broken)
			}
		}
	})
}

func FuzzFrames(f *testing.F) {
	f.Add(aFrame(1, true, true, 5), 3)
	f.Add(append(aFrame(1, false, true, 200), aFrame(0, true, true, 70_000)...), 5)
	f.Fuzz(func(t *testing.T, b []byte, cut int) {
		var one, two frames
		one.follow(b)
		if cut < 0 || cut > len(b) {
			cut = len(b) / 2
		}
		two.follow(b[:cut])
		two.follow(b[cut:])
		one.head, two.head = [14]byte{}, [14]byte{}
		if one != two {
			t.Errorf("%+v, in two pieces %+v", one, two)
		}
	})
}
