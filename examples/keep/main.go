// Command keep serves WebSockets, event streams and long polls that go on over a
// restart: the client keeps its connection and gets every message once.
package main

import (
	"context"
	"flag"
	"log"
	"net/http"
	"strconv"

	restarthttp "example.com/restart/http"
)

var version = "1" // go build -ldflags "-X main.version=2"

func main() {
	addr := flag.String("addr", "127.0.0.1:8080", "TCP `address` to listen on")
	tlsAddr := flag.String("tls", "", "TCP `address` to listen on with TLS as well")
	cert := flag.String("cert", "cert.pem", "`file` with the certificate")
	key := flag.String("key", "key.pem", "`file` with its key")
	flag.Parse()
	for path, handler := range webSockets {
		http.HandleFunc("/"+path, handler)
	}
	http.HandleFunc("/events", events)
	http.HandleFunc("/poll", poll)
	servers := []*restarthttp.Server{restarthttp.NewServer(*addr, nil)}
	if *tlsAddr != "" {
		s := restarthttp.NewServer(*tlsAddr, nil)
		s.Name, s.CertFile, s.KeyFile, s.MoveTLS = "tls", *cert, *key, true
		servers = append(servers, s)
	}
	if err := restarthttp.Serve(context.Background(), servers...); err != nil {
		log.Fatal(err)
	}
}

// webSockets has a handler for each library.
var webSockets = map[string]http.HandlerFunc{
	"coder":   coder,
	"gobwas":  gobwas,
	"gorilla": gorilla,
	"gws":     lxzan,
	"xnet":    xnet,
}

// A count is the state of a connection that moves: how many messages it has had.
type count struct{ n int }

func (c *count) save() []byte { return []byte(strconv.Itoa(c.n)) }

func (c *count) load(left []byte) { c.n, _ = strconv.Atoi(string(left)) } // our own
