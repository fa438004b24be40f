// Command both serves the same handler over HTTP and over HTTPS, with HTTP/2,
// and restarts both together.
package main

import (
	"crypto/tls"
	"errors"
	"flag"
	"log"
	"net/http"
	"sync"

	restarthttp "example.com/restart/http"
	"example.com/restart/storm/endpoints"
)

var version = "1" // go build -ldflags "-X main.version=2"

func main() {
	addr := flag.String("addr", "127.0.0.1:8080", "TCP `address` of HTTP")
	tlsAddr := flag.String("tls-addr", "127.0.0.1:8443", "TCP `address` of HTTPS")
	flag.Parse()

	// A certificate that nobody signed, made anew by each generation. Yours
	// comes from files, as in examples/tls.
	cert, err := endpoints.Certificate()
	if err != nil {
		log.Fatal(err)
	}
	handler := endpoints.Handler(version)
	plain := restarthttp.NewServer(*addr, handler)
	secure := restarthttp.NewServer(*tlsAddr, handler)
	secure.TLSConfig = &tls.Config{Certificates: []tls.Certificate{cert}}

	var servers sync.WaitGroup
	serve := func(listenAndServe func() error) {
		servers.Go(func() {
			if err := listenAndServe(); !errors.Is(err, http.ErrServerClosed) {
				log.Fatal(err)
			}
		})
	}
	serve(plain.ListenAndServe)
	serve(func() error { return secure.ListenAndServeTLS("", "") })
	servers.Wait() // both return together
}
