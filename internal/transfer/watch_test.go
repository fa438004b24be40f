//go:build linux && !restart_portable

package transfer

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"example.com/restart/internal/channel"
	"example.com/restart/internal/proctest"
	"example.com/restart/internal/wire"
)

// A shell is a process that has an end of a channel and does not read from it.
type shell struct {
	t   *testing.T
	cmd *exec.Cmd
	in  io.WriteCloser
	out *bufio.Reader
}

func startShell(t *testing.T, channel *os.File) *shell {
	t.Helper()
	s := &shell{t: t, cmd: exec.Command("sh")}
	s.cmd.ExtraFiles = []*os.File{channel}
	var err error
	if s.in, err = s.cmd.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	out, err := s.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	s.out = bufio.NewReader(out)
	if err := s.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.in.Close(); s.cmd.Wait() })
	return s
}

// says makes the shell send a frame.
func (s *shell) says(m wire.Receiving) {
	s.t.Helper()
	frame, err := wire.Append(nil, wire.TypeReceiving, m)
	if err != nil {
		s.t.Fatal(err)
	}
	var octal strings.Builder
	for _, b := range frame {
		fmt.Fprintf(&octal, "\\%03o", b)
	}
	fmt.Fprintf(s.in, "printf '%s' >&3; echo\n", octal.String()) // what printf cannot do, ReadString shows
	if _, err := s.out.ReadString('\n'); err != nil {
		s.t.Fatal(err)
	}
}

func (s *shell) kill() {
	s.cmd.Process.Kill()
	s.cmd.Wait() // it was killed
}

// held returns a Sender and the other end of its channel, which this process keeps
// open as a helper of the receiver would.
func held(t *testing.T) (*Sender, *os.File) {
	t.Helper()
	ours, theirs, err := channel.Pair()
	if err != nil {
		t.Fatal(err)
	}
	s := NewSender(ours)
	t.Cleanup(func() { theirs.Close(); s.Close() })
	return s, theirs
}

// send sends a connection and returns what becomes of it.
func send(t *testing.T, s *Sender) <-chan error {
	_, server := proctest.TCPPair(t)
	sent := make(chan error, 1)
	go func() { sent <- s.Send("web", server.(*net.TCPConn), nil) }()
	return sent
}

// The channel goes on, and nobody receives: what was sent would wait for ever.
func TestReceiverDiesWhoseHelperHasTheChannel(t *testing.T) {
	s, theirs := held(t)
	receiver := startShell(t, theirs)
	receiver.says(wire.Receiving{})
	sent := send(t, s)
	receiver.kill()
	if err := <-sent; !errors.Is(err, ErrUncertain) && !errors.Is(err, ErrGone) {
		t.Errorf("got %v, want that nobody answers", err)
	}
	<-s.Died()
	// The helper gets no more than what is in its queue, and nothing waits for it.
	if err := s.Progress(wire.Progress{}); err == nil {
		t.Error("the channel is still open")
	}
}

// A receiver that has died before anybody could watch it.
func TestReceiverDiesAtOnceWhoseHelperHasTheChannel(t *testing.T) {
	ours, theirs, err := channel.Pair()
	if err != nil {
		t.Fatal(err)
	}
	defer theirs.Close()
	receiver := startShell(t, theirs)
	receiver.says(wire.Receiving{})
	receiver.kill()
	s := NewSender(ours)
	<-s.Died()
	s.Close()
}

// The end of a process that has passed the channel on is not the end of the channel,
// however late its words are read.
func TestReceiverPassesOnAndEnds(t *testing.T) {
	s, theirs := held(t)
	first := startShell(t, theirs)
	first.says(wire.Receiving{})
	s.mu.Lock()
	sent := send(t, s)
	next, err := channel.Open(theirs)
	if err != nil {
		t.Fatal(err)
	}
	defer next.Close()
	next.SetDeadline(time.Now().Add(20 * time.Second))
	if err := next.Send(wire.TypeAdopted, wire.Adopted{Batch: 99}); err != nil { // reading it waits for s.mu
		t.Fatal(err)
	}
	first.says(wire.Receiving{Over: true})
	first.kill()
	s.mu.Unlock()
	m, files := receiveConns(t, next)
	channel.CloseAll(files)
	if err := next.Send(wire.TypeAdopted, wire.Adopted{Batch: m.Batch}); err != nil {
		t.Fatal(err)
	}
	if err := <-sent; err != nil {
		t.Errorf("got %v, want that it has moved", err)
	}
}
