// Command udp-dns is a name server for one zone, with
// github.com/miekg/dns. Both processes read from the same socket while one
// replaces the other, so that no query is lost.
package main

import (
	"context"
	"flag"
	"log"
	"net"
	"os"
	"strconv"
	"sync"

	"github.com/miekg/dns"

	"example.com/restart"
)

var version = "1" // go build -ldflags "-X main.version=2"

func main() {
	addr := flag.String("addr", "127.0.0.1:8080", "UDP `address` to serve")
	ask := flag.String("ask", "", "ask the server for the TXT record of a `name` instead of being one")
	flag.Parse()
	if *ask != "" {
		if err := query(*addr, *ask); err != nil {
			log.Fatal(err)
		}
		return
	}
	r, err := restart.New(restart.Options{})
	if err != nil {
		log.Fatal(err)
	}
	if _, err := r.AddPacket("dns", "udp", *addr, &server{handler: dns.HandlerFunc(answer)}); err != nil {
		log.Fatal(err)
	}
	if err := r.Run(context.Background()); err != nil {
		log.Fatal(err)
	}
}

// answer answers every query with who answers it.
func answer(w dns.ResponseWriter, q *dns.Msg) {
	m := new(dns.Msg).SetReply(q)
	for _, question := range q.Question {
		m.Answer = append(m.Answer, &dns.TXT{
			Hdr: dns.RR_Header{Name: question.Name, Rrtype: dns.TypeTXT, Class: dns.ClassINET, Ttl: 1},
			Txt: []string{"version=" + version, "pid=" + strconv.Itoa(os.Getpid())},
		})
	}
	if err := w.WriteMsg(m); err != nil {
		log.Print(err)
	}
}

// A server makes a [restart.PacketService] of a dns.Server.
type server struct {
	handler dns.Handler

	mu      sync.Mutex
	dns     *dns.Server
	started chan struct{} // closed when dns serves
	stopped bool
}

// ServePacket implements [restart.PacketService].
func (s *server) ServePacket(pc net.PacketConn) error {
	s.mu.Lock()
	if s.stopped {
		s.mu.Unlock()
		return net.ErrClosed
	}
	s.started = make(chan struct{})
	s.dns = &dns.Server{PacketConn: pc, Handler: s.handler, NotifyStartedFunc: func() { close(s.started) }}
	s.mu.Unlock()
	return s.dns.ActivateAndServe()
}

// Shutdown implements [restart.PacketService]. Queries that were read are
// answered; the others stay in the socket, for the successor.
func (s *server) Shutdown(ctx context.Context) error {
	s.mu.Lock()
	s.stopped = true
	d := s.dns
	s.mu.Unlock()
	if d == nil {
		return nil
	}
	select {
	case <-s.started:
	case <-ctx.Done():
		return ctx.Err()
	}
	return d.ShutdownContext(ctx)
}
