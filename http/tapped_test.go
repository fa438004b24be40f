package restarthttp

import (
	"bytes"
	"crypto/rand"
	"crypto/tls"
	"fmt"
	"io"
	"net/http"
	"testing"
)

// Whatever byte of a conversation the drain falls on, where a record ends there.
func TestTLSDrainAtEveryByte(t *testing.T) {
	for _, v := range tlsVariants[:2] {
		for _, conv := range conversations {
			t.Run(v.name+" "+conv.name, func(t *testing.T) {
				for at := range len(conv.sent) + 1 {
					for _, wait := range []string{"consumed", "not consumed", "drained first"} {
						splitOver(t, func(p *pair) *client { return p.dialTLS(v.config) }, newTLSPair, conv.sent, conv.want, conv.paths, at, wait)
						if t.Failed() {
							t.Fatalf("at byte %d of %q, %s", at, conv.sent, wait)
						}
					}
				}
			})
		}
	}
}

// The drain falls on every byte of a record.
func TestTLSDrainAtEveryByteOfARecord(t *testing.T) {
	size := len(get("/x")) + 5 + 17
	for at := range size + 1 {
		e := new(echo)
		p := newTLSPair(t, e)
		g := &gated{Conn: p.dial().Conn}
		c := p.secure(g, tlsVariants[0].config)
		c.send(get("/first"))
		c.receive(want("/first"))
		p.waitIdle()
		g.hold(at)
		c.send(get("/x"))
		p.drain()
		p.draining()
		g.release()
		c.receive(want("/x"))
		c.send(get("/last"))
		c.receive(want("/last"))
		p.end()
		if got := e.times("/x"); got != 1 {
			t.Fatalf("at byte %d: answered %d times, want once", at, got)
		}
	}
}

// Up to three bytes of a next request may be in net/http's buffer. They move
// along.
func TestTLSLeftovers(t *testing.T) {
	const post = "POST /1 HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello"
	for _, left := range []string{"", "G", "GE", "GET", "\r\n", "\r", "\n", "\r\n\r"} {
		t.Run(fmt.Sprintf("%q", left), func(t *testing.T) {
			p := newTLSPair(t, new(echo))
			c := p.dialTLS(tlsVariants[0].config)
			c.send(post + left)
			c.receive("POST /1 hello ")
			p.waitIdle()
			p.drain()
			p.end()
			rest := get("/2")
			if left != "" && left[0] == 'G' {
				rest = rest[len(left):]
			}
			c.send(rest)
			if got := c.receive(want("/2")); got != "new" {
				t.Errorf("got %q, want new", got)
			}
		})
	}
}

// Bodies of sizes around the limit of a record, before and after a move.
func TestTLSBodiesAroundAMove(t *testing.T) {
	forEachVariant(t, func(t *testing.T, config *tls.Config) {
		p := newTLSPair(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			b, _ := io.ReadAll(r.Body)
			w.Write(b)
		}))
		c := p.dialTLS(config)
		sizes := []int{0, 1, 3, 5, 100, 16383, 16384, 16385, 1 << 20}
		exchange := func(size int) {
			body := make([]byte, size)
			rand.Read(body)
			go fmt.Fprintf(c, "POST /x HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n%s", size, body)
			resp, err := http.ReadResponse(c.br, nil)
			if err != nil {
				t.Fatalf("%d bytes: %v", size, err)
			}
			if got, err := io.ReadAll(resp.Body); err != nil || !bytes.Equal(got, body) {
				t.Fatalf("%d bytes: got %d bytes, %v", size, len(got), err)
			}
		}
		for _, size := range sizes {
			exchange(size)
		}
		p.waitIdle()
		p.drain()
		p.end()
		for _, size := range sizes {
			exchange(size)
		}
		p.wantMoves(1)
	})
}
