package tcp

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
)

// parcelVersion is the first byte of a parcel. The predecessor may have been
// built with another version of this package.
const parcelVersion = 1

// A parcel is the state of a connection that moves. On the wire it is the
// version, the length of unread as a uvarint, unread, and state.
type parcel struct {
	unread []byte // read from the socket, but not yet by the handler
	state  []byte // from the handler
}

// append appends the parcel's encoding to b.
func (p *parcel) append(b []byte) []byte {
	b = append(b, parcelVersion)
	b = binary.AppendUvarint(b, uint64(len(p.unread)))
	b = append(b, p.unread...)
	return append(b, p.state...)
}

// parse decodes a parcel. The result shares no memory with b. An empty b is an
// empty parcel.
func parse(b []byte) (*parcel, error) {
	if len(b) == 0 {
		return &parcel{state: []byte{}}, nil
	}
	if b[0] != parcelVersion {
		return nil, fmt.Errorf("decode state: version %d, want %d", b[0], parcelVersion)
	}
	n, size := binary.Uvarint(b[1:])
	if size <= 0 || n > uint64(len(b)-1-size) {
		return nil, errors.New("decode state: the length of the unread bytes is invalid")
	}
	b = b[1+size:]
	return &parcel{unread: bytes.Clone(b[:n]), state: append([]byte{}, b[n:]...)}, nil
}
