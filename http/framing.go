package restarthttp

// A framing follows one direction of an HTTP/2 connection as far as is needed to
// know where its frames begin (RFC 9113, 4.1).
type framing struct {
	head   [frameHeader]byte // of the frame that is followed
	n      int               // how much of head there is
	left   int               // bytes of its payload that are yet to come
	begun  bool              // a frame has passed
	opened bool              // HEADERS has passed, which begins a stream
	block  bool              // a field block has begun and not ended
}

const (
	frameHeader = 9

	frameHeaders      = 0x1
	framePushPromise  = 0x5
	framePing         = 0x6
	frameGoAway       = 0x7
	frameContinuation = 0x9

	flagAck        = 0x1
	flagEndHeaders = 0x4
)

// between reports whether the next byte begins a frame.
func (f *framing) between() bool { return f.n == 0 }

// admits reports whether another frame may come next: one has passed, since the
// first must be SETTINGS (3.4), and no field block is open (4.3).
func (f *framing) admits() bool { return f.begun && !f.block && f.between() }

// follow follows b up to the end of a frame at most. It returns how many bytes
// that is.
func (f *framing) follow(b []byte) (n int) {
	if f.n < frameHeader {
		n = copy(f.head[f.n:], b)
		if f.n += n; f.n < frameHeader {
			return n
		}
		f.left = int(f.head[0])<<16 | int(f.head[1])<<8 | int(f.head[2])
	}
	payload := min(f.left, len(b)-n)
	if f.left -= payload; f.left == 0 {
		f.end()
	}
	return n + payload
}

// end is the end of a frame.
func (f *framing) end() {
	f.n, f.begun = 0, true
	switch f.head[3] {
	case frameHeaders, framePushPromise, frameContinuation:
		f.block = f.head[4]&flagEndHeaders == 0
	}
	f.opened = f.opened || f.head[3] == frameHeaders
}

// followAll follows b.
func (f *framing) followAll(b []byte) {
	for len(b) > 0 {
		b = b[f.follow(b):]
	}
}
