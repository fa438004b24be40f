//lint:file-ignore SA1019 The recipe is for programs that use this package still.

package main

import (
	"io"
	"net/http"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/h2c"

	restarthttp "example.com/restart/http"
)

// newH2C serves HTTP/2 without TLS, and HTTP/1, with golang.org/x/net/http2/h2c. It
// needs nothing more than the handler: connections of HTTP/2 are told by GOAWAY, and
// those of HTTP/1 move. net/http does the same by itself if
// Protocols.SetUnencryptedHTTP2 is called.
func newH2C(addr string, handler http.Handler) *restarthttp.Server {
	return restarthttp.NewServer(addr, h2c.NewHandler(handler, new(http2.Server)))
}

// post sends the body back.
func post(w http.ResponseWriter, r *http.Request) {
	io.Copy(w, r.Body)
}
