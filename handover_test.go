//go:build linux

package restart

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"strings"
	"testing"
	"time"

	"example.com/restart/internal/channel"
	"example.com/restart/internal/gate"
	"example.com/restart/internal/handshake"
	"example.com/restart/internal/proctest"
	"example.com/restart/internal/sockaddr"
	"example.com/restart/internal/transfer"
	"example.com/restart/internal/wire"
)

// adopterStub is a Service that adopts until it is full.
type adopterStub struct {
	room int
	got  []net.Conn
}

func (*adopterStub) Serve(net.Listener) error       { return nil }
func (*adopterStub) Shutdown(context.Context) error { return nil }
func (a *adopterStub) Adopt(c net.Conn, _ []byte) error {
	if len(a.got) == a.room {
		return errors.New("full")
	}
	a.got = append(a.got, c)
	return nil
}

// What does not arrive (no free descriptors), has no service, or is refused by
// it, is answered for: the predecessor keeps those.
func TestAdopt(t *testing.T) {
	r := &Restarter{table: newTable(net.ListenConfig{}, sockaddr.Listen, nil), log: slog.New(slog.DiscardHandler)}
	a := &adopterStub{room: 1}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	g := gate.New(ln.(gate.Socket))
	defer g.Close()
	r.table.sockets = []*socket{
		{name: "here", inherited: "web", stream: a, ln: g},
		{name: "deaf", inherited: "deaf", stream: newTestService(), ln: g},
	}
	to := recipient{r, newMailbox()}
	for _, tt := range []struct {
		name string
		ok   bool
	}{{"web", true}, {"unknown", false}, {"", false}, {"deaf", false}, {"web", false}} {
		_, server := proctest.TCPPair(t)
		if err := to.Adopt(tt.name, server, nil); (err == nil) != tt.ok {
			t.Errorf("%q: got %v", tt.name, err)
		}
	}
	if len(a.got) != 1 || g.Conns().Len() != 1 || r.adopted.Load() != 1 {
		t.Errorf("got %d adopted, %d tracked, %d counted; want 1 each", len(a.got), g.Conns().Len(), r.adopted.Load())
	}
	a.got[0].Close()
	if !g.Conns().SealIfEmpty() {
		t.Error("still tracked after Close")
	}
	// A process whose drain has ended takes nothing more.
	_, server := proctest.TCPPair(t)
	a.room = 2
	if err := to.Adopt("web", server, nil); !errors.Is(err, errEnding) {
		t.Errorf("got %v, want that it ends", err)
	}
}

// senders returns a Sender and the successor's end of its channel.
func senders(t *testing.T) (*transfer.Sender, *channel.Conn) {
	t.Helper()
	ours, f, err := channel.Pair()
	if err != nil {
		t.Fatal(err)
	}
	theirs, err := channel.Open(f)
	if err != nil {
		t.Fatal(err)
	}
	theirs.SetDeadline(time.Now().Add(20 * time.Second))
	s := transfer.NewSender(ours)
	t.Cleanup(func() { theirs.Close(); s.Close() })
	return s, theirs
}

// Our copy is closed when the successor has the connection.
func TestSendClosesOurCopy(t *testing.T) {
	s, theirs := senders(t)
	_, server := proctest.TCPPair(t)
	sent := make(chan error, 1)
	go func() { sent <- (&Handover{name: "web", sender: s}).Send(server, nil) }()
	f, files, err := theirs.Recv()
	channel.CloseAll(files)
	var m wire.Conns
	if err == nil {
		err = f.Decode(&m)
	}
	if err != nil {
		t.Fatal(err)
	}
	if err := theirs.Send(wire.TypeAdopted, wire.Adopted{Batch: m.Batch}); err != nil {
		t.Fatal(err)
	}
	if err := <-sent; err != nil {
		t.Fatal(err)
	}
	if _, err := server.Write([]byte("x")); !errors.Is(err, net.ErrClosed) {
		t.Errorf("our copy: got %v, want it closed", err)
	}
}

// A connection that a dead successor may have used is closed here without a
// byte, whatever the service does next.
func TestSendClosesWhatIsUncertain(t *testing.T) {
	s, theirs := senders(t)
	client, server := proctest.TCPPair(t)
	go func() {
		_, files, _ := theirs.Recv()
		channel.CloseAll(files)
		theirs.Close()
	}()
	if err := (&Handover{name: "web", sender: s}).Send(server, nil); !errors.Is(err, ErrUncertain) {
		t.Errorf("got %v, want ErrUncertain", err)
	}
	if _, err := server.Write([]byte("x")); !errors.Is(err, net.ErrClosed) {
		t.Errorf("our copy: got %v, want it closed", err)
	}
	if b, err := io.ReadAll(client); len(b) > 0 || err != nil {
		t.Errorf("the peer got %q, %v; want only the end", b, err)
	}
	// What was never sent is the caller's to serve on.
	_, other := proctest.TCPPair(t)
	if err := (&Handover{name: "web", sender: s}).Send(other, nil); err == nil || errors.Is(err, ErrUncertain) {
		t.Errorf("after that: got %v, want another error", err)
	}
	if _, err := other.Write([]byte("x")); err != nil {
		t.Errorf("a connection that was not sent: %v", err)
	}
}

func TestSendRefusesWhatCannotMove(t *testing.T) {
	s, _ := senders(t)
	h := &Handover{name: "web", sender: s}
	pipe, other := net.Pipe()
	defer pipe.Close()
	defer other.Close()
	if err := h.Send(pipe, nil); err == nil {
		t.Error("a connection without a descriptor: got no error")
	}
	_, server := proctest.TCPPair(t)
	if err := h.Send(server, make([]byte, transfer.MaxConnState+1)); err == nil {
		t.Error("too much state: got no error")
	}
}

// A choosy service adopts several kinds of connections.
type choosy struct {
	*testService
	kinds []string
}

func (choosy) Adopt(net.Conn, []byte) error { return nil }
func (c choosy) AdoptedKinds() []string     { return c.kinds }

// A successor says before it is ready what its services adopt, as far as that
// fits a message.
func TestReadySaysWhatIsAdopted(t *testing.T) {
	o := newOldProcess(t)
	o.sendManifest()
	r := fakeRestarter(t, Options{}, o.system())
	x := &run{t: t, r: r, result: make(chan error, 1)}
	long := strings.Repeat("x", handshake.MaxKind+1)
	if _, err := r.Add("web", "tcp", o.address(), choosy{newTestService(), []string{"tls", long, "kept"}}); err != nil {
		t.Fatal(err)
	}
	x.run()
	inScript(func() {
		var claims wire.Claims
		o.want(wire.TypeClaims, &claims)
		if got, want := fmt.Sprint(claims.Kinds), "map[web:[tls kept]]"; got != want {
			t.Errorf("got %s, want %s", got, want)
		}
		o.wantReady()
	})
}

// The service of the old process can ask what the successor has said. One that
// is older says nothing.
func TestHandoverKnowsWhatIsAdopted(t *testing.T) {
	for name, kinds := range map[string]map[string][]string{"older": nil, "tls": {"web": {"tls"}, "other": {"kept"}}} {
		t.Run(name, func(t *testing.T) {
			s := &asking{testService: newTestService(), asked: make(chan *Handover, 1)}
			r := fakeRestarter(t, Options{}, spawning(t, func(p *peer) {
				p.manifest()
				if kinds != nil {
					p.send(wire.TypeClaims, wire.Claims{Kinds: kinds})
				}
				p.send(wire.TypeReady, wire.Ready{PID: os.Getpid(), Claimed: p.claimed(), Adopts: p.claimed()})
				p.want(wire.TypeCommit, nil)
				p.send(wire.TypeCommitted, wire.Committed{})
				p.want(wire.TypeGo, nil)
				p.send(wire.TypeServing, wire.Serving{})
				p.recv()
			}))
			for name, service := range map[string]Service{"web": s, "other": newTestService()} {
				if _, err := r.Add(name, "tcp", "127.0.0.1:0", service); err != nil {
					t.Fatal(err)
				}
			}
			x := &run{t: t, r: r, result: make(chan error, 1)}
			x.run()
			x.reached(StateServing, 1)
			if err := r.Restart(t.Context()); err != nil {
				t.Fatal(err)
			}
			h := <-s.asked
			if got, want := h.Adopts("tls"), kinds != nil; got != want || h.Adopts("kept") {
				t.Errorf("adopts tls: got %v, want %v; kept: got %v, want false", got, want, h.Adopts("kept"))
			}
		})
	}
}

// asking is a service that asks for the way to the successor.
type asking struct {
	*testService
	asked chan *Handover
}

func (s *asking) Shutdown(ctx context.Context) error {
	h, _ := HandoverFrom(ctx)
	s.asked <- h
	return s.testService.Shutdown(ctx)
}

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
	o.sendManifest()
	r, err := newRestarter(Options{Logger: slogTo(newLogs(t))}, o.system())
	if err != nil {
		t.Fatal(err)
	}
	answered, stopped := make(chan struct{}), make(chan struct{})
	r.sys.entered = func(s State) {
		if s == StateStopped {
			close(stopped)
		}
	}
	s := &passer{testService: newTestService()}
	s.pass = func(c net.Conn) {
		c.Close() // moved on: nothing keeps the drain
		r.Shutdown()
		<-stopped
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
		_, server := proctest.TCPPair(t)
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
