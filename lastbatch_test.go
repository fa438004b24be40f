//go:build linux

package restart

import (
	"net"
	"testing"
	"time"

	"example.com/restart/internal/wire"
)

// A passer is an adopter whose connections go on to somebody else at once.
type passer struct {
	*testService
	pass func(net.Conn)
}

func (p *passer) Adopt(c net.Conn, _ []byte) error { p.pass(c); return nil }

// A process that ends while it takes connections says which ones it took. Were
// it silent, the predecessor would go on serving them, beside whoever has them
// by then.
func TestLastBatchIsAnswered(t *testing.T) {
	o := newOldProcess(t)
	o.bequeath()
	log := newLogs(t)
	r, err := newRestarter(Options{Logger: slogTo(log)}, o.system())
	if err != nil {
		t.Fatal(err)
	}
	answered := make(chan struct{})
	s := &passer{testService: newTestService()}
	s.pass = func(c net.Conn) {
		c.Close() // moved on: nothing keeps the drain
		r.Shutdown()
		log.wait(t, 1, "restart: drained")
		select { // time for a Run that does not wait
		case <-answered:
		case <-r.over:
		case <-time.After(200 * time.Millisecond):
		}
	}
	if _, err := r.Add("web", "tcp", o.address(), s); err != nil {
		t.Fatal(err)
	}
	result := make(chan error, 1)
	go func() { result <- r.Run(t.Context()) }()
	inScript(func() {
		o.toServing(wire.Go{})
		_, server := tcpPair(t)
		f := dup(t, server.(*net.TCPConn))
		defer f.Close()
		o.send(wire.TypeConns, wire.Conns{Batch: 7, Conns: []wire.Conn{{Name: "web"}}}, f)
		var got wire.Adopted
		o.want(wire.TypeAdopted, &got)
		close(answered)
		if got.Batch != 7 || len(got.Refused) != 0 {
			t.Errorf("got %+v, want batch 7 taken", got)
		}
	})
	if err := <-result; err != nil {
		t.Error(err)
	}
}
