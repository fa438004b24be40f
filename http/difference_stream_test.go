//go:build linux

package restarthttp_test

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"pgregory.net/rapid"
)

// The grammar of what clients send in the trials of TestAnswersAreThoseOfNetHTTP:
// mostly valid requests, and some that are not quite.

// A part is a piece of a stream that is drawn as a whole.
type part struct {
	text   string
	kind   partKind
	unsure bool // it, or what follows, may get no answer
	held   bool // its handler waits for stepRelease
	post   bool
}

type partKind uint8

const (
	partRequest partKind = iota
	partEmpty            // empty lines before a request
)

// drawPart draws the part that comes after the others of a stream.
func drawPart(t *rapid.T, before []part) part {
	switch rapid.IntRange(0, 15).Draw(t, "part") {
	default:
		return drawRequest(t, len(before))
	case 13:
		return drawEmpty(t, before)
	case 14:
		return drawOdd(t, len(before))
	case 15:
		return drawBad(t, len(before))
	}
}

// A target is what a request asks a handler for, see answering.
var targets = []string{"/", "/flush", "/large", "/none", "/unchanged", "/ignore", "/trailer", "/held", "/error", "/upgrade"}

// drawRequest draws a valid request.
func drawRequest(t *rapid.T, id int) part {
	target := rapid.SampledFrom(targets).Draw(t, "target")
	method := rapid.SampledFrom([]string{"GET", "POST", "HEAD", "PUT", "DELETE", "BREW"}).Draw(t, "method")
	p := part{held: target == "/held", post: method == "POST"}
	header := drawFields(t)
	version := "1.1"
	switch rapid.IntRange(0, 15).Draw(t, "connection") {
	case 12: // close
		header += "Connection: close\r\n"
		p.unsure = true
	case 13: // HTTP/1.0
		version, p.unsure = "1.0", true
	case 14: // HTTP/1.0, keep-alive
		version = "1.0"
		header += "Connection: keep-alive\r\n"
		// net/http cannot say where the body of such an answer ends.
		p.unsure = target == "/flush" || target == "/large" || target == "/trailer"
	case 15: // keep-alive
		header += "Connection: keep-alive\r\n"
	}
	if target == "/upgrade" {
		header += "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
	}
	body := ""
	if method == "POST" || method == "PUT" {
		var fields string
		fields, body = drawBody(t, version)
		header += fields
		if rapid.IntRange(0, 9).Draw(t, "expect") == 9 {
			header += "Expect: 100-continue\r\n"
			p.unsure = true // it closes if the handler does not read
		}
	}
	p.text = fmt.Sprintf("%s %s HTTP/%s\r\nHost: x\r\nId: %d\r\n%s\r\n%s", method, target, version, id, header, body)
	return p
}

func drawFields(t *rapid.T) string {
	var b strings.Builder
	for i := range rapid.IntRange(0, 2).Draw(t, "fields") {
		size := rapid.SampledFrom([]int{0, 1, 50, 2500}).Draw(t, "size")
		fmt.Fprintf(&b, "X-Field-%d: %s\r\n", i, strings.Repeat("v", size))
	}
	return b.String()
}

// drawBody draws a body and the fields that announce it.
func drawBody(t *rapid.T, version string) (fields, body string) {
	size := rapid.SampledFrom([]int{0, 1, 10, 3000, 20_000}).Draw(t, "body")
	body = strings.Repeat("0123456789", size/10+1)[:size]
	if version == "1.0" || rapid.Bool().Draw(t, "length") {
		return fmt.Sprintf("Content-Length: %d\r\n", size), body
	}
	var b strings.Builder
	for len(body) > 0 {
		n := rapid.SampledFrom([]int{1, 7, 1000, len(body)}).Draw(t, "chunk")
		n = max(min(n, len(body)), len(body)/8) // not too many
		extension := rapid.SampledFrom([]string{"", "", ";a=b"}).Draw(t, "extension")
		fmt.Fprintf(&b, "%x%s\r\n%s\r\n", n, extension, body[:n])
		body = body[n:]
	}
	trailer := rapid.SampledFrom([]string{"", "Sum: 42\r\n"}).Draw(t, "trailer")
	fmt.Fprintf(&b, "0\r\n%s\r\n", trailer)
	fields = "Transfer-Encoding: chunked\r\n"
	if trailer != "" {
		fields += "Trailer: Sum\r\n"
	}
	return fields, b.String()
}

// drawEmpty draws empty lines. After a POST net/http skips four bytes at most.
func drawEmpty(t *rapid.T, before []part) part {
	text := rapid.SampledFrom([]string{"\r\n", "\n", "\r\n\r\n", "\r\n\r\n\r\n"}).Draw(t, "empty")
	fine := len(before) > 0 && before[len(before)-1].post && len(text) <= 4
	return part{text: text, kind: partEmpty, unsure: !fine}
}

// drawOdd draws what is valid and rare. It says nothing of what follows.
func drawOdd(t *rapid.T, id int) part {
	text := rapid.SampledFrom([]string{
		"OPTIONS * HTTP/1.1\r\nHost: x\r\nId: %d\r\n\r\n",
		"GET http://y/ HTTP/1.1\r\nHost: x\r\nId: %d\r\n\r\n",
		"GET / HTTP/1.1\nHost: x\nId: %d\n\n",
		"GET /close HTTP/1.1\r\nHost: x\r\nId: %d\r\n\r\n",
		"GET /abort HTTP/1.1\r\nHost: x\r\nId: %d\r\n\r\n",
		"GET /hijack HTTP/1.1\r\nHost: x\r\nId: %d\r\n\r\n",
		"POST / HTTP/1.1\r\nHost: x\r\nId: %d\r\nExpect: 200-ok\r\nContent-Length: 2\r\n\r\nhi",
		"POST / HTTP/1.1\r\nHost: x\r\nId: %d\r\nTransfer-Encoding: chunked\r\nContent-Length: 2\r\n\r\n2\r\nhi\r\n0\r\n\r\n",
		"GET / HTTP/1.1\r\nHost: x\r\nId: %d\r\nContent-Length: 5\r\n\r\nhello",
	}).Draw(t, "odd")
	return part{text: fmt.Sprintf(text, id), unsure: true}
}

// drawBad draws what net/http refuses. There is no HTTP/1 with the method PRI:
// HTTP/2 has reserved it, so such a connection is taken for one of HTTP/2, and is
// announced (docs/connections.md).
func drawBad(t *rapid.T, id int) part {
	text := rapid.SampledFrom([]string{
		"GET / HTTP/1.1\r\nId: %d\r\n\r\n",
		"GET / HTTP/1.1\r\nHost: x\r\nHost: y\r\nId: %d\r\n\r\n",
		"GET / HTTP/1.1\r\nHost: x y\r\nId: %d\r\n\r\n",
		"GET / HTTP/1.1\r\nHost: x\r\nId : %d\r\n\r\n",
		"GET / HTTP/1.1\r\nHost: x\r\nId: %d\r\nX: \x01\r\n\r\n",
		"GET / HTTP/1.1\r\n Host: x\r\nId: %d\r\n\r\n",
		"G@T / HTTP/1.1\r\nHost: x\r\nId: %d\r\n\r\n",
		"GET  / HTTP/1.1\r\nHost: x\r\nId: %d\r\n\r\n",
		"GET / HTTP/1.2\r\nHost: x\r\nId: %d\r\n\r\n",
		"GET / HTTP/3.0\r\nHost: x\r\nId: %d\r\n\r\n",
		"GET / HTTX/1.1\r\nHost: x\r\nId: %d\r\n\r\n",
		"GET /\r\n",
		"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
		"PRINT / HTTP/1.1\r\nHost: x\r\nId: %d\r\n\r\n",
		"POST / HTTP/1.1\r\nHost: x\r\nId: %d\r\nContent-Length: 2x\r\n\r\nhi",
		"POST / HTTP/1.1\r\nHost: x\r\nId: %d\r\nContent-Length: -2\r\n\r\nhi",
		"POST / HTTP/1.1\r\nHost: x\r\nId: %d\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nhi!",
		"POST / HTTP/1.1\r\nHost: x\r\nId: %d\r\nTransfer-Encoding: gzip\r\n\r\nhi",
		"POST / HTTP/1.1\r\nHost: x\r\nId: %d\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nhi\r\n0\r\n\r\n",
		"POST / HTTP/1.1\r\nHost: x\r\nId: %d\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi0\r\n\r\n",
		"POST / HTTP/1.1\r\nHost: x\r\nId: %d\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\nSum 42\r\n\r\n",
		"GET / HTTP/1.1\r\nHost: x\r\nId: %d\r\nX: " + strings.Repeat("v", 20_000) + "\r\n\r\n",
		"GET /" + strings.Repeat("v", 20_000) + " HTTP/1.1\r\nHost: x\r\nId: %d\r\n\r\n",
		"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
		"hello\r\n",
	}).Draw(t, "bad")
	if strings.Contains(text, "%d") {
		text = fmt.Sprintf(text, id)
	}
	return part{text: text, unsure: true}
}

// A stream is what a client sends in one trial.
type stream struct {
	parts []part
	text  string
	ends  []int // of the parts, in text
}

func drawStream(t *rapid.T) stream {
	var s stream
	for range rapid.IntRange(2, 8).Draw(t, "parts") {
		p := drawPart(t, s.parts)
		if p.kind == partEmpty && s.hasEmpty() {
			continue
		}
		s.parts = append(s.parts, p)
		s.text += p.text
		s.ends = append(s.ends, len(s.text))
	}
	if len(s.text) > 0 && rapid.IntRange(0, 4).Draw(t, "whole") == 4 {
		s.text = s.text[:rapid.IntRange(0, len(s.text)).Draw(t, "length")]
	}
	return s
}

// hasEmpty reports whether there are empty lines that net/http refuses.
func (s stream) hasEmpty() bool {
	return slices.ContainsFunc(s.parts, func(p part) bool { return p.kind == partEmpty && p.unsure })
}

// refusedEmpty returns where they begin and end, as far as they are sent.
func (s stream) refusedEmpty() (from, to int, ok bool) {
	for i, p := range s.parts {
		if from = s.ends[i] - len(p.text); p.kind == partEmpty && p.unsure && from < len(s.text) {
			return from, min(s.ends[i], len(s.text)), true
		}
	}
	return 0, 0, false
}

// requests returns how many of the requests that end in the first n bytes are
// sure to be answered, and how many to be handled, as long as a held one is
// not released.
func (s stream) requests(n int, released bool) (answered, handled int) {
	for i, p := range s.parts {
		if s.ends[i] > n || p.unsure {
			break
		}
		if p.kind == partEmpty {
			continue
		}
		handled++
		if p.held && !released {
			break
		}
		answered++
	}
	return answered, handled
}

// holds reports whether a request whose handler waits begins in the first n bytes.
func (s stream) holds(n int) bool {
	for i, p := range s.parts {
		if p.held && s.ends[i]-len(p.text) < n {
			return true
		}
	}
	return false
}

// idle reports whether the connection waits for a request when the first n bytes
// are sent and all that they ask for is answered. It does not after empty lines:
// net/http may have read them, as the beginning of a request that has yet to come.
func (s stream) idle(n int, released bool) bool {
	empty := false
	for i, p := range s.parts {
		if s.ends[i] > n {
			return s.ends[i]-len(p.text) == n && !empty
		}
		if p.unsure || p.held && !released {
			return false
		}
		empty = p.kind == partEmpty
	}
	return !empty
}

// unsure reports whether any part is.
func (s stream) unsure() bool {
	return slices.ContainsFunc(s.parts, func(p part) bool { return p.unsure })
}

// shortTail reports whether one to three bytes are all that is sent of the last
// request.
func (s stream) shortTail() bool {
	tail := s.text
	for i, end := range slices.Backward(s.ends) {
		if s.parts[i].kind == partRequest && end <= len(s.text) {
			tail = s.text[end:]
			break
		}
	}
	n := len(strings.TrimLeft(tail, "\r\n"))
	return n > 0 && n < 4
}

func quote(s string) string {
	if len(s) > 600 {
		return fmt.Sprintf("%s + … + %s (%d bytes)", strconv.Quote(s[:300]), strconv.Quote(s[len(s)-300:]), len(s))
	}
	return strconv.Quote(s)
}
