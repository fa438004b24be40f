//go:build linux

package proctest

import (
	"fmt"
	"math/rand/v2"
	"net"
	"testing"
	"time"
)

// FreeAddress returns a loopback address on which nobody listens, and whose port the
// kernel gives to no client (ip(7), ip_local_port_range), so that it stays free.
func FreeAddress(t testing.TB) string {
	t.Helper()
	for range 100 {
		address := fmt.Sprint("127.0.0.1:", 15000+rand.IntN(15000))
		if ln, err := net.Listen("tcp", address); err == nil {
			ln.Close()
			return address
		}
	}
	t.Fatal("no free port between 15000 and 30000")
	return ""
}

// TCPPair returns both ends of a connection, which are closed when the test ends.
func TCPPair(t testing.TB) (client, server net.Conn) {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	if client, err = net.Dial("tcp", ln.Addr().String()); err != nil {
		t.Fatal(err)
	}
	if server, err = ln.Accept(); err != nil {
		t.Fatal(err)
	}
	client.SetDeadline(time.Now().Add(Patience))
	t.Cleanup(func() { client.Close(); server.Close() })
	return client, server
}
