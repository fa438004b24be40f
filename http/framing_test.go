package restarthttp

import (
	"slices"
	"testing"
)

// frame returns a frame with n bytes of payload.
func frame(kind, flags byte, n int) []byte {
	b := make([]byte, frameHeader+n)
	b[1], b[2], b[3], b[4] = byte(n>>8), byte(n), kind, flags
	return b
}

// A frame may be put in where another one ends, but not before the first or into
// a field block, however the bytes are cut.
func TestFraming(t *testing.T) {
	settings, data := frame(0x4, 0, 6), frame(0x0, 0, 300)
	headers, whole := frame(frameHeaders, 0, 5), frame(frameHeaders, flagEndHeaders, 5)
	more, last := frame(frameContinuation, 0, 0), frame(frameContinuation, flagEndHeaders, 7)
	var stream []byte
	var want []int
	for _, f := range []struct {
		frame  []byte
		admits bool
	}{{settings, true}, {whole, true}, {data, true}, {headers, false}, {more, false}, {last, true}, {settings, true}} {
		stream = append(stream, f.frame...)
		if f.admits {
			want = append(want, len(stream))
		}
	}
	for size := 1; size <= len(stream); size++ {
		var f framing
		var got []int
		if f.admits() {
			t.Error("a frame may be put in before the first")
		}
		at := 0
		for piece := range slices.Chunk(stream, size) {
			for len(piece) > 0 {
				n := f.follow(piece)
				at += n
				piece = piece[n:]
				if f.admits() {
					got = append(got, at)
				}
			}
		}
		if !slices.Equal(got, want) {
			t.Errorf("in pieces of %d: got %d, want %d", size, got, want)
		}
	}
}
