// Command bare is a plain net/http server with the endpoints that storm asks for. Other servers are compared to it.
package main

import (
	"crypto/tls"
	"flag"
	"log"
	"net/http"

	"example.com/restart/storm/endpoints"
)

func main() {
	addr := flag.String("addr", "127.0.0.1:8080", "address of plain HTTP")
	tlsAddr := flag.String("tls-addr", "", "address of TLS, none if empty")
	flag.Parse()
	handler := endpoints.Handler("bare")
	failed := make(chan error, 2)
	if *tlsAddr != "" {
		cert, err := endpoints.Certificate()
		if err != nil {
			log.Fatal(err)
		}
		srv := &http.Server{Addr: *tlsAddr, Handler: handler, TLSConfig: &tls.Config{Certificates: []tls.Certificate{cert}}}
		go func() { failed <- srv.ListenAndServeTLS("", "") }()
	}
	go func() { failed <- http.ListenAndServe(*addr, handler) }()
	log.Fatal(<-failed)
}
