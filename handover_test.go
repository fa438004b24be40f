//go:build linux

package restart

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"example.com/restart/internal/channel"
	"example.com/restart/internal/fdutil"
	"example.com/restart/internal/wire"
)

// couriers returns a courier and the other end of its channel.
func couriers(t *testing.T) (*courier, *channel.Conn) {
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
	c := newCourier(ours)
	t.Cleanup(func() { theirs.Close(); c.leave() })
	return c, theirs
}

// tcpPair returns both ends of a connection.
func tcpPair(t *testing.T) (client, server net.Conn) {
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
	client.SetDeadline(time.Now().Add(20 * time.Second))
	t.Cleanup(func() { client.Close(); server.Close() })
	return client, server
}

// receiveConns receives one batch.
func receiveConns(t *testing.T, c *channel.Conn) (wire.Conns, []*os.File) {
	t.Helper()
	f, files, err := c.Recv()
	if err != nil {
		t.Error(err)
		return wire.Conns{}, nil
	}
	var m wire.Conns
	if err := f.Decode(&m); err != nil || f.Type != wire.TypeConns {
		t.Errorf("got %v, %v", f.Type, err)
	}
	return m, files
}

// A connection that was sent works at the other end, with its state, and its
// peer notices nothing.
func TestSendMovesAConnection(t *testing.T) {
	c, theirs := couriers(t)
	client, server := tcpPair(t)
	sent := make(chan error, 1)
	go func() { sent <- (&Handover{name: "web", courier: c}).Send(server, []byte("state")) }()

	m, files := receiveConns(t, theirs)
	if len(m.Conns) != 1 || len(files) != 1 || m.Conns[0].Name != "web" || string(m.Conns[0].State) != "state" {
		t.Fatalf("got %+v with %d files", m, len(files))
	}
	moved, err := net.FileConn(files[0])
	channel.CloseAll(files)
	if err != nil {
		t.Fatal(err)
	}
	defer moved.Close()
	select {
	case err := <-sent:
		t.Fatalf("Send returned %v before the answer", err)
	default:
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
	if _, err := io.WriteString(moved, "hello"); err != nil {
		t.Fatal(err)
	}
	b := make([]byte, 5)
	if _, err := io.ReadFull(client, b); err != nil || string(b) != "hello" {
		t.Errorf("the peer got %q, %v", b, err)
	}
	if moved, refused, _ := c.counts(); moved != 1 || refused != 0 {
		t.Errorf("got %d moved, %d refused; want 1, 0", moved, refused)
	}
}

// Many at once travel in batches, and each gets its own answer.
func TestSendManyAndRefuseSome(t *testing.T) {
	const n = 700
	c, theirs := couriers(t)
	client, server := tcpPair(t)
	_ = client
	go func() {
		for got := 0; got < n; {
			m, files := receiveConns(t, theirs)
			if len(files) == 0 {
				return
			}
			channel.CloseAll(files)
			got += len(m.Conns)
			answer := wire.Adopted{Batch: m.Batch, Reason: "odd"}
			for i, conn := range m.Conns {
				if strings.HasSuffix(string(conn.State), "odd") {
					answer.Refused = append(answer.Refused, i)
				}
			}
			if err := theirs.Send(wire.TypeAdopted, answer); err != nil {
				t.Error(err)
			}
		}
	}()
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() {
			// Not Send: it would close the one connection that stands for all.
			state := []byte("even")
			if i%2 == 1 {
				state = []byte("odd")
			}
			p := &parcel{name: "web", conn: server.(*net.TCPConn), state: state, done: make(chan error, 1)}
			err := c.deliver(p)
			if got, want := errors.Is(err, errRefused), i%2 == 1; got != want {
				t.Errorf("parcel %d: got %v", i, err)
			}
		})
	}
	wg.Wait()
	if moved, refused, why := c.counts(); moved != n/2 || refused != n/2 || !strings.Contains(why, "odd") {
		t.Errorf("got %d moved, %d refused, %q; want %d, %d, odd", moved, refused, why, n/2, n/2)
	}
}

// A successor that dies, or talks nonsense, loses no connection: it is still
// open here.
func TestSendToADyingSuccessor(t *testing.T) {
	for name, end := range map[string]func(*channel.Conn){
		"dies": func(c *channel.Conn) { c.Close() },
		"dies when it has it": func(c *channel.Conn) {
			_, files, _ := c.Recv()
			channel.CloseAll(files)
			c.Close()
		},
		"answers another batch, then dies": func(c *channel.Conn) {
			_, files, _ := c.Recv()
			channel.CloseAll(files)
			c.Send(wire.TypeAdopted, wire.Adopted{Batch: 4711})
			c.Close()
		},
	} {
		t.Run(name, func(t *testing.T) {
			c, theirs := couriers(t)
			client, server := tcpPair(t)
			go end(theirs)
			h := &Handover{name: "web", courier: c}
			for range 2 {
				if err := h.Send(server, nil); !errors.Is(err, errSuccessorGone) {
					t.Errorf("got %v, want that it is gone", err)
				}
			}
			if _, err := io.WriteString(server, "x"); err != nil {
				t.Errorf("the connection is not usable any more: %v", err)
			}
			b := make([]byte, 1)
			if _, err := io.ReadFull(client, b); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestSendRefusesWhatCannotMove(t *testing.T) {
	c, _ := couriers(t)
	h := &Handover{name: "web", courier: c}
	pipe, other := net.Pipe()
	defer pipe.Close()
	defer other.Close()
	if err := h.Send(pipe, nil); err == nil {
		t.Error("a connection without a descriptor: got no error")
	}
	_, server := tcpPair(t)
	if err := h.Send(server, make([]byte, maxConnState+1)); err == nil {
		t.Error("too much state: got no error")
	}
}

// However large the states, what fit puts into one message fits.
func TestFit(t *testing.T) {
	for _, size := range []int{0, 1, 100, 1000, maxConnState} {
		for _, name := range []string{"w", strings.Repeat("\x00", maxName)} {
			var parcels []*parcel
			for range wire.MaxFiles {
				parcels = append(parcels, &parcel{name: name, state: make([]byte, size)})
			}
			total := 0
			for len(parcels) > 0 {
				var now []*parcel
				now, parcels = fit(parcels)
				total += len(now)
				var m wire.Conns
				for _, p := range now {
					m.Conns = append(m.Conns, wire.Conn{Name: p.name, State: p.state})
				}
				if _, err := wire.Append(nil, wire.TypeConns, m); err != nil {
					t.Fatalf("%d bytes of state, name of %d: %v", size, len(name), err)
				}
			}
			if total != wire.MaxFiles {
				t.Errorf("got %d of %d", total, wire.MaxFiles)
			}
		}
	}
}

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
	r := &Restarter{table: newTable(net.ListenConfig{}, nil)}
	a := &adopterStub{room: 1}
	set := newConnSet()
	r.table.sockets = []*socket{{name: "here", inherited: "web", stream: a, ln: &listener{conns: set}}}
	var fds []int
	for range 3 {
		_, server := tcpPair(t)
		fd, err := fdutil.DupRaw(server.(*net.TCPConn))
		if err != nil {
			t.Fatal(err)
		}
		fds = append(fds, fd)
	}
	m := wire.Conns{Batch: 7, Conns: []wire.Conn{{Name: "web"}, {Name: "unknown"}, {Name: "web"}, {Name: "web"}}}
	answer := r.adopt(m, fds)
	if got, want := fmt.Sprint(answer.Batch, answer.Refused), "7 [1 2 3]"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	if answer.Reason == "" || len(a.got) != 1 || set.len() != 1 || r.adopted.Load() != 1 {
		t.Errorf("got reason %q, %d adopted, %d tracked, %d counted; want 1 each", answer.Reason, len(a.got), set.len(), r.adopted.Load())
	}
	a.got[0].Close()
	if !set.seal() {
		t.Error("still tracked after Close")
	}
	// A process whose drain has ended takes nothing more.
	_, server := tcpPair(t)
	fd, err := fdutil.DupRaw(server.(*net.TCPConn))
	if err != nil {
		t.Fatal(err)
	}
	a.room = 2
	if answer := r.adopt(wire.Conns{Conns: []wire.Conn{{Name: "web"}}}, []int{fd}); len(answer.Refused) != 1 {
		t.Errorf("sealed: got %+v, want it refused", answer)
	}
}
