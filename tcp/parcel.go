package tcp

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
)

// parcelVersion is the first byte of a parcel. A predecessor or successor may
// be built with another version of this package.
const parcelVersion = 1

// A parcel goes with a connection: the version, the length of unread as a
// uvarint, unread, state.
type parcel struct {
	unread []byte // taken from the socket, not from the buffer
	state  []byte
}

func (p *parcel) append(b []byte) []byte {
	b = append(b, parcelVersion)
	b = binary.AppendUvarint(b, uint64(len(p.unread)))
	b = append(b, p.unread...)
	return append(b, p.state...)
}

// parse is the opposite of append. The result shares nothing with b. No bytes
// at all are a parcel with nothing in it.
func parse(b []byte) (*parcel, error) {
	if len(b) == 0 {
		return &parcel{state: []byte{}}, nil
	}
	if b[0] != parcelVersion {
		return nil, fmt.Errorf("restart/tcp: a connection came with state of version %d, this is version %d", b[0], parcelVersion)
	}
	n, size := binary.Uvarint(b[1:])
	if size <= 0 || n > uint64(len(b)-1-size) {
		return nil, errors.New("restart/tcp: a connection came with state that makes no sense")
	}
	b = b[1+size:]
	return &parcel{unread: bytes.Clone(b[:n]), state: append([]byte{}, b[n:]...)}, nil
}
