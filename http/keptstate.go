package restarthttp

import (
	"bufio"
	"bytes"
	"fmt"
	"net/http"
	"slices"
	"strings"
)

// A keptRequest goes with a connection on which a request is not over.
type keptRequest struct {
	Kind keptKind `json:"kind"`
	Head []byte   `json:"head"` // of the request, for net/http to read once more
	Sent bool     `json:"sent,omitempty"`
	agreement
	State []byte `json:"state,omitempty"` // the handler's
}

// A keptKind is what a request asked for.
type keptKind string

const (
	keptWebSocket keptKind = "websocket"
	keptStream    keptKind = "stream" // a response that takes long, or is long in coming
)

// An agreement is what the head of a response says that its successor must say
// again.
type agreement struct {
	Protocol  string `json:"protocol,omitempty"`  // Sec-WebSocket-Protocol
	Extension string `json:"extension,omitempty"` // Sec-WebSocket-Extensions
	Media     string `json:"media,omitempty"`     // Content-Type of a stream
}

func agreementOf(h http.Header) agreement {
	return agreement{h.Get("Sec-Websocket-Protocol"), h.Get("Sec-Websocket-Extensions"), h.Get("Content-Type")}
}

func (a agreement) same(b agreement) bool {
	return a.Protocol == b.Protocol && a.Media == b.Media &&
		slices.Equal(extensionParams(a.Extension), extensionParams(b.Extension))
}

// maxHead bounds the head of a request that can be kept, so that it and a state
// fit into what moves with a connection.
const maxHead = 16 << 10

// offers are what the client left open in its handshake.
var offers = map[string]bool{"Sec-Websocket-Protocol": true, "Sec-Websocket-Extensions": true}

// requestHead returns the head of r, which has no body, without the offers and
// the empty line at the end.
func requestHead(r *http.Request) []byte {
	var b bytes.Buffer
	fmt.Fprintf(&b, "%s %s HTTP/1.1\r\nHost: %s\r\n", r.Method, r.RequestURI, r.Host)
	_ = r.Header.WriteSubset(&b, offers) // to memory
	return b.Bytes()
}

// replay returns the head as net/http is to read it: it offers only what was
// agreed upon, so that another version of the program cannot choose anew.
func (q *keptRequest) replay() []byte {
	b := slices.Clone(q.Head)
	for _, f := range [][2]string{{"Sec-WebSocket-Protocol", q.Protocol}, {"Sec-WebSocket-Extensions", q.Extension}} {
		if q.Sent && f[1] != "" {
			b = fmt.Appendf(b, "%s: %s\r\n", f[0], f[1])
		}
	}
	return append(b, "\r\n"...)
}

// parseHead reads the head of a response.
func parseHead(b []byte) (*http.Response, error) {
	return http.ReadResponse(bufio.NewReader(bytes.NewReader(b)), &http.Request{Method: http.MethodGet})
}

// stateless reports whether a WebSocket with these extensions has no state but
// that of its messages: there are none, or each message is compressed for itself
// (RFC 7692, 7.1.1).
func stateless(extensions []string) bool {
	if len(extensions) == 0 || len(extensions) == 1 && extensions[0] == "" {
		return true
	}
	params := extensionParams(extensions[0])
	return len(extensions) == 1 && !strings.Contains(extensions[0], ",") && params[0] == "permessage-deflate" &&
		slices.Contains(params, "server_no_context_takeover") &&
		slices.Contains(params, "client_no_context_takeover")
}

// extensionParams returns the extension's name and then its parameters in an order
// that does not depend on who wrote them.
func extensionParams(extension string) []string {
	params := strings.Split(strings.ToLower(extension), ";")
	for i := range params {
		params[i] = strings.TrimSpace(params[i])
	}
	slices.Sort(params[1:])
	return params
}
