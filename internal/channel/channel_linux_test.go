//go:build !restart_portable

package channel

import (
	"errors"
	"io"
	"os"
	"testing"

	"example.com/restart/internal/wire"
)

func TestPeerIsUs(t *testing.T) {
	a, b := pair(t)
	for _, c := range []*Conn{a, b} {
		pid, uid, err := c.Peer()
		if err != nil || pid != os.Getpid() || uid != os.Getuid() {
			t.Errorf("got pid %d, uid %d, %v; want %d, %d", pid, uid, err, os.Getpid(), os.Getuid())
		}
	}
}

// A packet without bytes is not the end of the channel, which tells a successor
// to serve.
func TestEmptyPacketIsNotTheEnd(t *testing.T) {
	a, b := pair(t)
	if _, _, err := a.uc.WriteMsgUnix(nil, nil, nil); err != nil {
		t.Fatal(err)
	}
	if _, _, err := b.Recv(); err == nil || errors.Is(err, io.EOF) {
		t.Errorf("got %v, want that the packet is empty", err)
	}
	a.Close()
	if _, _, err := b.Recv(); err != io.EOF {
		t.Errorf("got %v, want EOF", err)
	}
}

func TestSenderIsUs(t *testing.T) {
	a, b := pair(t)
	if err := a.Send(wire.TypeFiles, wire.Files{}, os.Stdin); err != nil {
		t.Fatal(err)
	}
	_, files, err := b.Recv()
	CloseAll(files)
	if pid, told := b.Sender(); err != nil || len(files) != 1 || pid != os.Getpid() || !told {
		t.Errorf("got sender %d, %v with %d files, %v; want %d", pid, told, len(files), err, os.Getpid())
	}
}

// What was sent is there, and the other process does not notice.
func TestEndRecv(t *testing.T) {
	a, b := pair(t)
	if err := b.Send(wire.TypeNote, wire.Note{Text: "last words"}); err != nil {
		t.Fatal(err)
	}
	a.EndRecv()
	if f, _, err := a.Recv(); err != nil || f.Type != wire.TypeNote {
		t.Errorf("got %v, %v; want the note", f.Type, err)
	}
	if _, _, err := a.Recv(); !errors.Is(err, io.EOF) {
		t.Errorf("got %v, want the end", err)
	}
	if err := a.Send(wire.TypeAbort, wire.Abort{}); err != nil {
		t.Error(err)
	}
	if f, _, err := b.Recv(); err != nil || f.Type != wire.TypeAbort {
		t.Errorf("at the other end: got %v, %v; want abort", f.Type, err)
	}
}

// Who waits is woken.
func TestEndRecvWhileReceiving(t *testing.T) {
	a, _ := pair(t)
	ended := make(chan error, 1)
	go func() {
		_, _, err := a.Recv()
		ended <- err
	}()
	a.EndRecv()
	if err := <-ended; !errors.Is(err, io.EOF) {
		t.Errorf("got %v, want the end", err)
	}
}
