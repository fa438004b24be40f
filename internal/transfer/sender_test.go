//go:build linux

package transfer

import (
	"errors"
	"io"
	"net"
	"os"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"example.com/restart/internal/channel"
	"example.com/restart/internal/proctest"
	"example.com/restart/internal/wire"
)

// senders returns a Sender and the other end of its channel.
func senders(t *testing.T) (*Sender, *channel.Conn) {
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
	c := NewSender(ours)
	t.Cleanup(func() { theirs.Close(); c.Close() })
	return c, theirs
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
	c, theirs := senders(t)
	client, server := proctest.TCPPair(t)
	sent := make(chan error, 1)
	go func() { sent <- c.Send("web", server.(*net.TCPConn), []byte("state")) }()

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
	if _, err := io.WriteString(moved, "hello"); err != nil {
		t.Fatal(err)
	}
	b := make([]byte, 5)
	if _, err := io.ReadFull(client, b); err != nil || string(b) != "hello" {
		t.Errorf("the peer got %q, %v", b, err)
	}
	if got, want := c.Counts(), (Counts{Moved: 1}); got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
}

// Many at once travel in batches, and each gets its own answer.
func TestSendManyAndRefuseSome(t *testing.T) {
	const n = 700
	c, theirs := senders(t)
	client, server := proctest.TCPPair(t)
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
			state := []byte("even")
			if i%2 == 1 {
				state = []byte("odd")
			}
			err := c.Send("web", server.(*net.TCPConn), state)
			if got, want := errors.Is(err, ErrRefused), i%2 == 1; got != want {
				t.Errorf("parcel %d: got %v", i, err)
			}
		})
	}
	wg.Wait()
	if got := c.Counts(); got.Moved != n/2 || got.Refused != n/2 || !strings.Contains(got.Reason, "odd") {
		t.Errorf("got %+v, want %d, %d, odd", got, n/2, n/2)
	}
}

// A successor that dies has what it was sent and has not answered, perhaps. What
// it was not sent it has not had, nor what it leaves behind when it resigns.
func TestSendToADyingSuccessor(t *testing.T) {
	for name, tt := range map[string]struct {
		end  func(*channel.Conn)
		want error
	}{
		"dies when it has it": {func(c *channel.Conn) {
			_, files, _ := c.Recv()
			channel.CloseAll(files)
			c.Close()
		}, ErrUncertain},
		"answers another batch, then dies": {func(c *channel.Conn) {
			_, files, _ := c.Recv()
			channel.CloseAll(files)
			c.Send(wire.TypeAdopted, wire.Adopted{Batch: 4711})
			c.Close()
		}, ErrUncertain},
		"answers what cannot be understood": {func(c *channel.Conn) {
			_, files, _ := c.Recv()
			channel.CloseAll(files)
			c.Send(wire.TypeAdopted, "no object")
			c.Close()
		}, ErrUncertain},
		"resigns": {func(c *channel.Conn) {
			c.Send(wire.TypeFailed, wire.Note{Text: "the process ends"})
			_, files, _ := c.Recv() // what is unread does not matter
			channel.CloseAll(files)
			c.Close()
		}, ErrGone},
	} {
		t.Run(name, func(t *testing.T) {
			c, theirs := senders(t)
			client, server := proctest.TCPPair(t)
			ended := make(chan struct{})
			go func() { tt.end(theirs); close(ended) }()
			if err := c.Send("web", server.(*net.TCPConn), nil); !errors.Is(err, tt.want) {
				t.Errorf("got %v, want %v", err, tt.want)
			}
			<-ended
			if err := c.Send("web", server.(*net.TCPConn), nil); !errors.Is(err, ErrGone) {
				t.Errorf("the next: got %v, want that it is gone", err)
			}
			want := Counts{Refused: 2}
			if tt.want == ErrUncertain {
				want = Counts{Refused: 1, Uncertain: 1}
			}
			if got := c.Counts(); got.Refused != want.Refused || got.Uncertain != want.Uncertain {
				t.Errorf("got %+v, want %+v", got, want)
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

// What waits for its turn when the successor dies was never sent: it is not
// uncertain, however many batches are.
func TestQueuedIsNotUncertain(t *testing.T) {
	c, theirs := senders(t)
	_, server := proctest.TCPPair(t)
	results := make(chan error)
	send := func() { results <- c.Send("web", server.(*net.TCPConn), nil) }
	for range batchesInFlight {
		go send()
		_, files := receiveConns(t, theirs) // one batch each
		channel.CloseAll(files)
	}
	const queued = 10
	for range queued {
		go send()
	}
	theirs.Close()
	gone := 0
	for range batchesInFlight + queued {
		err := <-results
		if errors.Is(err, ErrGone) {
			gone++
		} else if !errors.Is(err, ErrUncertain) {
			t.Errorf("got %v", err)
		}
	}
	if gone != queued {
		t.Errorf("got %d that were never sent, want %d", gone, queued)
	}
}

// A slowConn gives its descriptor only when it is released.
type slowConn struct {
	syscall.Conn
	asked, released chan struct{}
}

func (c *slowConn) SyscallConn() (syscall.RawConn, error) {
	close(c.asked)
	<-c.released
	return c.Conn.SyscallConn()
}

// A batch that is on its way when the last answer has come is ended, too: nobody
// else would ever end it.
func TestBatchThatIsSentTooLateIsUncertain(t *testing.T) {
	for range 20 {
		s, _ := senders(t)
		_, server := proctest.TCPPair(t)
		slow := &slowConn{server.(*net.TCPConn), make(chan struct{}), make(chan struct{})}
		sent := make(chan error, 1)
		go func() { sent <- s.Send("web", slow, nil) }()
		<-slow.asked
		s.conn.EndRecv() // the other end is still open, so sending works
		<-s.gone
		close(slow.released)
		select {
		case err := <-sent:
			if !errors.Is(err, ErrUncertain) {
				t.Errorf("got %v, want %v", err, ErrUncertain)
			}
		case <-time.After(20 * time.Second):
			t.Fatal("Send does not return")
		}
	}
}

// However large the states, what fit puts into one message fits.
func TestFit(t *testing.T) {
	for _, size := range []int{0, 1, 100, 1000, MaxConnState} {
		for _, name := range []string{"w", strings.Repeat("\x00", 255)} {
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

// Only the end of the channel without a word is a death.
func TestDied(t *testing.T) {
	for name, tt := range map[string]struct {
		last func(*channel.Conn)
		want bool
	}{
		"dies": {func(*channel.Conn) {}, true},
		"ends in good order": {func(c *channel.Conn) {
			if err := c.Send(wire.TypeFailed, wire.Note{Text: "the process ends"}); err != nil {
				t.Error(err)
			}
		}, false},
	} {
		s, theirs := senders(t)
		tt.last(theirs)
		theirs.Close()
		<-s.gone
		select {
		case <-s.Died():
			if !tt.want {
				t.Errorf("%s: is taken for a death", name)
			}
		default:
			if tt.want {
				t.Errorf("%s: is not taken for a death", name)
			}
		}
	}
	s, _ := senders(t)
	s.Close()
	select {
	case <-s.Died():
		t.Error("our own end is taken for a death")
	default:
	}
}
