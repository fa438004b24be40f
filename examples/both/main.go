// Command both serves the same handler over HTTP and over HTTPS, with HTTP/2,
// and restarts both together.
package main

import (
	"context"
	"crypto/tls"
	"flag"
	"log"

	"example.com/restart"
	restarthttp "example.com/restart/http"
	"example.com/restart/storm/endpoints"
)

var version = "1" // go build -ldflags "-X main.version=2"

func main() {
	addr := flag.String("addr", "127.0.0.1:8080", "TCP `address` of HTTP")
	tlsAddr := flag.String("tls-addr", "127.0.0.1:8443", "TCP `address` of HTTPS")
	flag.Parse()

	// Each generation makes a self-signed certificate. For one in files set
	// CertFile and KeyFile instead of TLS.
	cert, err := endpoints.Certificate()
	if err != nil {
		log.Fatal(err)
	}
	// The handler has the endpoints that the load generator storm asks for. Its
	// WebSockets move. See examples/http for a handler of one's own.
	handler := endpoints.Hooks{Keep: restarthttp.Keep, Draining: restart.Draining}.Handler(version)
	plain := restarthttp.NewServer(*addr, handler)
	secure := restarthttp.NewServer(*tlsAddr, handler)
	secure.HTTP.TLSConfig = &tls.Config{Certificates: []tls.Certificate{cert}}
	secure.TLS, secure.MoveTLS = true, true // see docs/security.md

	if err := restarthttp.Serve(context.Background(), plain, secure); err != nil {
		log.Fatal(err)
	}
}
