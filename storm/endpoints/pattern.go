package endpoints

import "sync"

// period is prime, so that a block of any usual size that is displaced, repeated or left out is noticed.
const period = 251

// longest is the longest piece of pattern handed out at once.
const longest = 64 << 10

var table = sync.OnceValue(func() []byte {
	b := make([]byte, longest+period)
	for i := range b {
		b[i] = byte(i % period)
	}
	return b
})

// Pattern returns n bytes, at most 65536, of the content of GET /download from the given offset on. The byte at offset i is i
// modulo 251. The caller must not change the bytes.
func Pattern(offset int64, n int) []byte {
	o := int(offset % period)
	return table()[o : o+n]
}
