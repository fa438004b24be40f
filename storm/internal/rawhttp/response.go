// Package rawhttp is an HTTP/1.1 client that never retries.
//
// Its caller opens, uses and closes each connection, and so sees everything that the server does to it. A
// [net/http.Transport] would hide some of that by opening another connection.
package rawhttp

import (
	"bytes"
	"errors"
	"fmt"
)

// ErrMalformed says that the bytes received are not an HTTP/1.x response.
var ErrMalformed = errors.New("malformed response")

// Framing says how the end of a response's body is found (RFC 9112, 6.3).
type Framing uint8

// The ways a body ends.
const (
	FramingNone    Framing = iota // there is no body
	FramingLength                 // Content-Length
	FramingChunked                // Transfer-Encoding: chunked
	FramingClose                  // the end of the connection
)

// Response is the head of a response.
type Response struct {
	Status  int
	Framing Framing
	Length  int64 // of the body, with FramingLength
	// Close says whether the server announced that it closes the connection after this response.
	Close bool
}

// headEnd returns the length of the head at the start of b, blank line included, or 0 if it is not complete.
func headEnd(b []byte) int {
	if i := bytes.Index(b, crlfcrlf); i >= 0 {
		return i + len(crlfcrlf)
	}
	return 0
}

var (
	crlf     = []byte("\r\n")
	crlfcrlf = []byte("\r\n\r\n")
)

// parseHead parses a complete head with its blank line. It allocates only for errors.
func parseHead(b []byte) (Response, error) {
	var r Response
	line, rest, ok := bytes.Cut(b, crlf)
	if !ok {
		return r, fmt.Errorf("%w: no status line", ErrMalformed)
	}
	// HTTP/1.1 200 OK. The reason may be empty. The space before it is required, but often missing.
	if len(line) < 12 || !bytes.HasPrefix(line, []byte("HTTP/1.")) || line[8] != ' ' || len(line) > 12 && line[12] != ' ' {
		return r, fmt.Errorf("%w: status line %.60q", ErrMalformed, line)
	}
	status, ok := decimal(line[9:12])
	if !ok || status < 100 {
		return r, fmt.Errorf("%w: status line %.60q", ErrMalformed, line)
	}
	r.Status = int(status)
	oldHTTP := line[7] == '0'
	length, chunked, keep := int64(-1), false, false
	for {
		line, rest, ok = bytes.Cut(rest, crlf)
		if !ok {
			return r, fmt.Errorf("%w: head does not end", ErrMalformed)
		}
		if len(line) == 0 {
			break
		}
		name, value, ok := bytes.Cut(line, []byte{':'})
		if !ok || len(name) == 0 || name[len(name)-1] == ' ' || name[0] == ' ' || name[0] == '\t' {
			return r, fmt.Errorf("%w: header line %.60q", ErrMalformed, line)
		}
		value = bytes.TrimSpace(value)
		switch {
		case bytes.EqualFold(name, []byte("Content-Length")):
			n, ok := decimal(value)
			if !ok || length >= 0 && length != n {
				return r, fmt.Errorf("%w: Content-Length %.60q", ErrMalformed, value)
			}
			length = n
		case bytes.EqualFold(name, []byte("Transfer-Encoding")):
			if !bytes.EqualFold(value, []byte("chunked")) {
				return r, fmt.Errorf("%w: Transfer-Encoding %.60q", ErrMalformed, value)
			}
			chunked = true
		case bytes.EqualFold(name, []byte("Connection")):
			r.Close = r.Close || hasToken(value, "close")
			keep = keep || hasToken(value, "keep-alive")
		}
	}
	r.Close = r.Close || oldHTTP && !keep
	switch {
	case r.Status < 200 || r.Status == 204 || r.Status == 304:
		r.Framing = FramingNone
	case chunked:
		r.Framing = FramingChunked
	case length == 0:
		r.Framing = FramingNone
	case length > 0:
		r.Framing, r.Length = FramingLength, length
	default:
		r.Framing, r.Close = FramingClose, true
	}
	return r, nil
}

// hasToken reports whether the comma-separated list has the token, in any case.
func hasToken(list []byte, token string) bool {
	for len(list) > 0 {
		var item []byte
		item, list, _ = bytes.Cut(list, []byte{','})
		if bytes.EqualFold(bytes.TrimSpace(item), []byte(token)) {
			return true
		}
	}
	return false
}

// decimal parses digits only: no sign, no space, no overflow.
func decimal(b []byte) (int64, bool) {
	if len(b) == 0 || len(b) > 18 {
		return 0, false
	}
	var n int64
	for _, c := range b {
		if c < '0' || c > '9' {
			return 0, false
		}
		n = n*10 + int64(c-'0')
	}
	return n, true
}

// hexadecimal parses the size of a chunk and ignores its extensions.
func hexadecimal(b []byte) (int64, bool) {
	b, _, _ = bytes.Cut(b, []byte{';'})
	b = bytes.TrimSpace(b)
	if len(b) == 0 || len(b) > 15 {
		return 0, false
	}
	var n int64
	for _, c := range b {
		switch {
		case c >= '0' && c <= '9':
			n = n<<4 | int64(c-'0')
		case c >= 'a' && c <= 'f':
			n = n<<4 | int64(c-'a'+10)
		case c >= 'A' && c <= 'F':
			n = n<<4 | int64(c-'A'+10)
		default:
			return 0, false
		}
	}
	return n, true
}
