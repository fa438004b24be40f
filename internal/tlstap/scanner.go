package tlstap

import "example.com/restart/internal/tlsrec"

// A scanner follows the records of one direction. Their headers are never
// encrypted.
type scanner struct {
	header [tlsrec.HeaderLen]byte
	n      int // bytes of the header of the record that has begun
	left   int // bytes of its content that are yet to come

	data    uint64 // whole records that look like application data
	since   uint64 // whole records since the last change_cipher_spec
	changed bool   // there was one
}

// whole reports whether the last record has come to its end.
func (s *scanner) whole() bool { return s.n == 0 }

// missing returns how many bytes of the last record are yet to come, as far as is
// known: that record's header says how long it is.
func (s *scanner) missing() int {
	switch {
	case s.whole():
		return 0
	case s.n < len(s.header):
		return len(s.header) - s.n
	}
	return s.left
}

// scan follows b, and returns where in b the newest record begins; negative: the
// newest record began before b.
func (s *scanner) scan(b []byte) (begins int) {
	begins = -1
	for at := 0; at < len(b); {
		if s.n == 0 {
			begins = at
		}
		if s.n < len(s.header) {
			n := copy(s.header[s.n:], b[at:])
			s.n += n
			at += n
			if s.n < len(s.header) {
				break
			}
			s.left = int(s.header[3])<<8 | int(s.header[4])
		} else {
			n := min(s.left, len(b)-at)
			s.left -= n
			at += n
		}
		if s.left == 0 {
			s.count()
		}
	}
	return begins
}

// count takes the record that is whole into account.
func (s *scanner) count() {
	s.n = 0
	switch tlsrec.Type(s.header[0]) {
	case tlsrec.TypeChangeCipherSpec:
		s.since, s.changed = 0, true
		return
	case tlsrec.TypeData:
		s.data++
	}
	s.since++
}
