package tcp

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
)

// payloadVersion is the first byte of a payload. The predecessor may have been
// built with another version of this package.
const payloadVersion = 1

// A payload goes with a connection that moves. Its encoding is the version, the
// length of unread as a uvarint, unread, and state.
type payload struct {
	unread []byte // read from the socket, but not yet by the handler
	state  []byte // from the handler
}

// append appends the payload's encoding to b.
func (p *payload) append(b []byte) []byte {
	b = append(b, payloadVersion)
	b = binary.AppendUvarint(b, uint64(len(p.unread)))
	b = append(b, p.unread...)
	return append(b, p.state...)
}

// parse decodes a payload. The result shares no memory with b. An empty b is an
// empty payload.
func parse(b []byte) (*payload, error) {
	if len(b) == 0 {
		return &payload{state: []byte{}}, nil
	}
	if b[0] != payloadVersion {
		return nil, fmt.Errorf("decode state: version %d, want %d", b[0], payloadVersion)
	}
	n, size := binary.Uvarint(b[1:])
	if size <= 0 || n > uint64(len(b)-1-size) {
		return nil, errors.New("decode state: the length of the unread bytes is invalid")
	}
	b = b[1+size:]
	return &payload{unread: bytes.Clone(b[:n]), state: append([]byte{}, b[n:]...)}, nil
}
