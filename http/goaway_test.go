package restarthttp

import (
	"bytes"
	"io"
	"slices"
	"testing"
)

// A wire reads from pieces and keeps what is written.
type wire struct {
	pieces  [][]byte
	written bytes.Buffer
}

func (w *wire) Write(p []byte) (int, error) { return w.written.Write(p) }

func (w *wire) Read(p []byte) (int, error) {
	if len(w.pieces) == 0 {
		return 0, io.EOF
	}
	n := copy(p, w.pieces[0])
	if w.pieces[0] = w.pieces[0][n:]; len(w.pieces[0]) == 0 {
		w.pieces = w.pieces[1:]
	}
	return n, nil
}

// The server is given a GOAWAY in place of the answer to our PING, and all else as
// it was, however the bytes are cut and read.
func TestGoAwayInPlaceOfTheAnswer(t *testing.T) {
	other := bytes.Clone(pingAnswer)
	copy(other[frameHeader:], "someone")
	before := slices.Concat(frame(0x4, 0, 6), other, frame(frameHeaders, flagEndHeaders, 5), frame(0x0, 1, 30))
	// What looks like the answer in a payload is none.
	before = slices.Concat(before, frame(0x0, 0, 0)[:2], []byte{17, 0, 0, 0, 0, 0, 1}, pingAnswer)
	after := slices.Concat(frame(0x8, 0, 4), pingAnswer)
	stream := slices.Concat([]byte(clientPreface), before, pingAnswer, after)
	want := slices.Concat([]byte(clientPreface), before, clientGoAway, after)
	for size := 1; size <= len(stream); size++ {
		for _, room := range []int{1, 8, 9, 17, 4096} {
			w := &wire{pieces: slices.Collect(slices.Chunk(bytes.Clone(stream), size))}
			g := newGoAway(w, clientPreface, nil)
			g.out.followAll(frame(0x4, 0, 0))
			g.tell()
			var got []byte
			p := make([]byte, room)
			for {
				n, err := g.Read(p)
				got = append(got, p[:n]...)
				if err != nil {
					break
				}
			}
			if !bytes.Equal(got, want) || !g.answered.Load() {
				t.Fatalf("pieces of %d, reads of %d: got %q, answered: %v; want %q", size, room, got, g.answered.Load(), want)
			}
		}
	}
}

// Without tell, all stays as it was; also if this is not HTTP/2.
func TestGoAwayChangesNothing(t *testing.T) {
	for _, stream := range []string{clientPreface + string(pingAnswer), "PRI /x HTTP/1.1\r\n\r\n" + string(pingAnswer)} {
		w := &wire{pieces: [][]byte{[]byte(stream)}}
		g := newGoAway(w, clientPreface, nil)
		got, err := io.ReadAll(struct{ io.Reader }{g})
		if string(got) != stream || err != nil || g.answered.Load() {
			t.Errorf("got %q, %v; want %q", got, err, stream)
		}
	}
}

// GOAWAY and PING are written once, where a frame ends, at whatever byte of the
// server's stream tell is called.
func TestGoAwayBetweenFrames(t *testing.T) {
	var told int
	frames := [][]byte{frame(0x4, 0, 6), frame(frameHeaders, 0, 5), frame(frameContinuation, flagEndHeaders, 3), frame(0x0, 0, 30), frame(0x0, 1, 0)}
	stream := slices.Concat(frames...)
	ends := []int{15, 15 + 14 + 12, 15 + 14 + 12 + 39, len(stream)} // where one may stand
	ours := slices.Concat(goAwayFrame, pingFrame)
	for at := range len(stream) {
		for size := 1; size <= len(stream); size++ {
			w, told1 := new(wire), told
			g := newGoAway(w, "", func() { told++ })
			g.used.Store(true)
			g.Write(stream[:at])
			g.tell()
			g.tell()
			for piece := range slices.Chunk(stream[at:], size) {
				if n, err := g.Write(piece); n != len(piece) || err != nil {
					t.Fatalf("write %d bytes: got %d, %v", len(piece), n, err)
				}
			}
			i, _ := slices.BinarySearch(ends, at)
			want := slices.Insert(slices.Clone(stream), ends[i], ours...)
			if got := w.written.Bytes(); !bytes.Equal(got, want) || told != told1+1 {
				t.Fatalf("told at %d, writes of %d: got %q, want %q; counted %d", at, size, got, want, told-told1)
			}
		}
	}
}

// A client that has begun no stream is told when it begins one, however that comes.
func TestGoAwayWaitsForAStream(t *testing.T) {
	before := slices.Concat([]byte(clientPreface), frame(0x4, 0, 6), frame(framePing, 0, 8))
	stream := slices.Concat(before, frame(frameHeaders, flagEndHeaders, 5))
	for size := 1; size <= len(stream); size++ {
		w := &wire{pieces: slices.Collect(slices.Chunk(bytes.Clone(stream), size))}
		g := newGoAway(w, clientPreface, nil)
		g.out.followAll(frame(0x4, 0, 0))
		g.tell()
		var got []byte
		p := make([]byte, 4096)
		for {
			n, err := g.Read(p)
			got = append(got, p[:n]...)
			if told := w.written.Len() > 0; told != (len(got) == len(stream)) {
				t.Fatalf("pieces of %d: after %d bytes of %d, told: %v", size, len(got), len(stream), told)
			}
			if err != nil {
				break
			}
		}
	}
}

// The self-check holds under this Go.
func TestSelfCheckHTTP2(t *testing.T) {
	if !selfCheckHTTP2() {
		t.Error("net/http does not serve HTTP/2 as known: connections with TLS end by http.Server.Shutdown alone")
	}
}
