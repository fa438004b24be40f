package restarthttp

// A chunks follows a response body in chunked coding (RFC 9112, 7.1), as net/http
// writes it.
type chunks struct {
	stage chunkStage
	left  uint64 // the size as far as it is read; in the data what is yet to come
	zero  bool   // the size that is being read is zero so far
}

type chunkStage uint8

const (
	chunkSize    chunkStage = iota // at or in the line with the size
	chunkExt                       // in that line, after the size
	chunkData                      // in the data or the line end after it
	chunkTrailer                   // after the last chunk, at the beginning of a line
	chunkField                     // within such a line
	chunkOver                      // after the body
	chunkBroken                    // this is not such a body
)

// between reports whether the next byte begins a chunk.
func (f *chunks) between() bool { return f.stage == chunkSize && f.left == 0 && !f.zero }

// follow follows b and returns how many bytes it has followed: not more than up
// to the end of the body or, if last is stopBefore, to the beginning of the last
// chunk, which is empty.
func (f *chunks) follow(b []byte, last lastChunk) int {
	for i := 0; i < len(b); i++ {
		switch c := b[i]; f.stage {
		case chunkSize:
			if last == stopBefore && f.between() && c == '0' {
				return i
			}
			f.sizeByte(c)
		case chunkExt:
			if c == '\n' {
				f.sized()
			}
		case chunkData:
			n := min(f.left, uint64(len(b)-i))
			f.left -= n
			i += int(n) - 1
			if f.left == 0 {
				f.stage = chunkSize
			}
		case chunkTrailer:
			switch c {
			case '\r':
			case '\n':
				f.stage = chunkOver
				return i + 1
			default:
				f.stage = chunkField
			}
		case chunkField:
			if c == '\n' {
				f.stage = chunkTrailer
			}
		case chunkOver, chunkBroken:
			f.stage = chunkBroken
			return len(b)
		}
	}
	return len(b)
}

// A lastChunk says what follow does with the last chunk.
type lastChunk uint8

const (
	passLast   lastChunk = iota
	stopBefore           // leave it to the caller
)

func (f *chunks) sizeByte(c byte) {
	switch {
	case '0' <= c && c <= '9':
		f.left = f.left<<4 | uint64(c-'0')
		f.zero = f.left == 0
	case 'a' <= c|0x20 && c|0x20 <= 'f':
		f.left, f.zero = f.left<<4|uint64(c|0x20-'a'+10), false
	case c == '\n':
		f.sized()
	default:
		f.stage = chunkExt
	}
}

// sized is the end of the line with the size.
func (f *chunks) sized() {
	if f.zero {
		f.stage, f.zero = chunkTrailer, false
		return
	}
	f.left += 2 // the line end after the data
	f.stage = chunkData
}
