//go:build darwin || dragonfly || freebsd || netbsd || openbsd || (linux && restart_portable)

package channel

import (
	"errors"
	"io"
	"math/rand/v2"
	"os"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"example.com/restart/internal/wire"
)

// encoded returns the bytes of a frame with words.
func encoded(t *testing.T, words string) []byte {
	t.Helper()
	b, err := wire.Append(nil, wire.TypeNote, wire.Note{Text: words})
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// write writes some bytes of a frame, with descriptors.
func write(t *testing.T, c *Conn, b []byte, fds ...int) {
	t.Helper()
	var oob []byte
	if len(fds) > 0 {
		oob = unix.UnixRights(fds...)
	}
	if n, _, err := c.uc.WriteMsgUnix(b, oob, nil); n != len(b) || err != nil {
		t.Fatalf("wrote %d of %d bytes: %v", n, len(b), err)
	}
}

// wantNote receives a frame with words and so many descriptors.
func wantNote(t *testing.T, c *Conn, words string, files int) {
	t.Helper()
	f, got, err := c.Recv()
	defer CloseAll(got)
	var note wire.Note
	if err == nil {
		err = f.Decode(&note)
	}
	if err != nil || note.Text != words || len(got) != files {
		t.Errorf("got %.20q with %d files, %v; want %.20q with %d", note.Text, len(got), err, words, files)
	}
}

// However the stream cuts it up, a frame comes whole, and its descriptors with it.
func TestFrameInPieces(t *testing.T) {
	a, b := pair(t)
	frame := encoded(t, "words")
	for i := range frame {
		done := make(chan struct{})
		go func() {
			defer close(done)
			wantNote(t, b, "words", 1)
		}()
		if i == 0 {
			write(t, a, frame, fdOf(t, os.Stdin))
		} else {
			write(t, a, frame[:i], fdOf(t, os.Stdin))
			write(t, a, frame[i:])
		}
		<-done
	}
}

// No frame gets the descriptors of another one, however many the socket holds.
func TestDescriptorsStayWithTheirFrame(t *testing.T) {
	a, b := pair(t)
	const frames = 500
	rnd := rand.New(rand.NewPCG(1, 2))
	var counts, sizes [frames]int
	for i := range counts {
		sizes[i] = rnd.IntN(3000)
		if rnd.IntN(2) == 0 {
			counts[i] = rnd.IntN(4)
		}
	}
	go func() {
		for i := range counts {
			var files []*os.File
			for range counts[i] {
				files = append(files, os.Stdin)
			}
			if err := a.Send(wire.TypeNote, wire.Note{Text: strings.Repeat("x", sizes[i])}, files...); err != nil {
				t.Errorf("send %d: %v", i, err)
			}
		}
	}()
	for i := range counts {
		wantNote(t, b, strings.Repeat("x", sizes[i]), counts[i])
	}
}

// begin receives so much of a frame as there is.
func begin(t *testing.T, c *Conn) {
	t.Helper()
	for range 1000 {
		c.SetDeadline(time.Now().Add(10 * time.Millisecond))
		if _, _, err := c.Recv(); !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Fatalf("got %v, want that the frame is not complete", err)
		}
		if c.frame.got > 0 {
			c.SetDeadline(time.Now().Add(10 * time.Second))
			return
		}
	}
	t.Fatal("it receives nothing")
}

// A deadline in the middle of a frame loses nothing for who reads.
func TestDeadlineWhileReceiving(t *testing.T) {
	a, b := pair(t)
	frame := encoded(t, "words")
	write(t, a, frame[:20], fdOf(t, os.Stdin))
	begin(t, b)
	write(t, a, frame[20:])
	wantNote(t, b, "words", 1)
}

// Nor for who writes: what comes next can be understood.
func TestDeadlineWhileSending(t *testing.T) {
	a, b := pair(t)
	a.uc.SetWriteBuffer(8 << 10)
	b.uc.SetReadBuffer(8 << 10)
	long := strings.Repeat("long ", 10000)
	for tries := 0; len(a.rest) == 0; tries++ {
		a.SetDeadline(time.Now().Add(10 * time.Millisecond))
		if err := a.Send(wire.TypeNote, wire.Note{Text: long}); !errors.Is(err, os.ErrDeadlineExceeded) || tries > 1000 {
			t.Fatalf("got %v, want that it is too late in the middle of the frame", err)
		}
	}
	if f, err := a.File(); err == nil {
		f.Close()
		t.Error("in the middle of a frame: got a descriptor")
	}
	a.SetDeadline(time.Now().Add(10 * time.Second))
	sent := make(chan error, 1)
	go func() { sent <- a.Send(wire.TypeAbort, wire.Abort{}) }()
	wantNote(t, b, long, 0)
	if f, _, err := b.Recv(); err != nil || f.Type != wire.TypeAbort {
		t.Errorf("got %v, %v; want abort", f.Type, err)
	}
	if err := <-sent; err != nil {
		t.Error(err)
	}
}

// Whoever gets the channel next must find the beginning of a frame.
func TestStopRecvInTheMiddleOfAFrame(t *testing.T) {
	a, b := pair(t)
	frame := encoded(t, "words")
	write(t, a, frame[:20], fdOf(t, os.Stdin))
	begin(t, b)
	if f, err := b.File(); err == nil {
		f.Close()
		t.Error("in the middle of a frame: got a descriptor")
	}
	b.StopRecv()
	done := make(chan struct{})
	go func() {
		defer close(done)
		wantNote(t, b, "words", 1)
	}()
	write(t, a, frame[20:])
	<-done
	write(t, a, encoded(t, "next"))
	for range 2 {
		if _, _, err := b.Recv(); !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("got %v, want that receiving was stopped", err)
		}
	}
	f, err := b.File()
	if err != nil {
		t.Fatal(err)
	}
	b.Close()
	next, err := Open(f)
	if err != nil {
		t.Fatal(err)
	}
	defer next.Close()
	wantNote(t, next, "next", 0)
}

// A peer that dies in the middle of a frame has died like any other.
func TestDeathInTheMiddleOfAFrame(t *testing.T) {
	frame := encoded(t, "words")
	for _, n := range []int{1, wire.HeaderSize, len(frame) - 1} {
		a, b := pair(t)
		r, w, err := os.Pipe()
		if err != nil {
			t.Fatal(err)
		}
		r.SetReadDeadline(time.Now().Add(10 * time.Second))
		write(t, a, frame[:n], int(w.Fd()))
		w.Close()
		a.Close()
		for range 2 {
			if _, _, err := b.Recv(); err != io.EOF {
				t.Errorf("after %d bytes: got %v, want EOF", n, err)
			}
		}
		if b, err := io.ReadAll(r); len(b) > 0 || err != nil {
			t.Errorf("got %q, %v; want that the descriptor is closed", b, err)
		}
		r.Close()
	}
}

// What was received of a frame is given up with the channel.
func TestCloseInTheMiddleOfAFrame(t *testing.T) {
	a, b := pair(t)
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	r.SetReadDeadline(time.Now().Add(10 * time.Second))
	write(t, a, encoded(t, "words")[:20], int(w.Fd()))
	w.Close()
	begin(t, b)
	b.Close()
	if b, err := io.ReadAll(r); len(b) > 0 || err != nil {
		t.Errorf("got %q, %v; want that the descriptor is closed", b, err)
	}
}

// Bytes that are no frame are an error once. What follows them cannot be
// understood, and whoever waits for the end must not spin.
func TestNonsense(t *testing.T) {
	for name, want := range map[string]error{
		"GET / HTTP/1.1\r\n\r\n":               wire.ErrMagic,
		"RSTT\x00\x02\x00\x01\x00\x00\x00\x00": wire.ErrVersion,
		"RSTT\x00\x01\x00\x01\xff\xff\xff\xff": wire.ErrTooLarge,
	} {
		a, b := pair(t)
		write(t, a, []byte(name))
		if _, _, err := b.Recv(); !errors.Is(err, want) {
			t.Errorf("%q: got %v, want %v", name, err, want)
		}
		if f, err := b.File(); err == nil {
			f.Close()
			t.Errorf("%q: got a descriptor", name)
		}
		write(t, a, encoded(t, "words"))
		b.SetDeadline(time.Now().Add(20 * time.Millisecond))
		if f, _, err := b.Recv(); !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("%q: got %v, %v; want nothing more", name, f.Type, err)
		}
		b.SetDeadline(time.Time{})
		a.Close()
		if _, _, err := b.Recv(); err != io.EOF {
			t.Errorf("%q: got %v, want EOF", name, err)
		}
	}
}

func TestPeerIsOurUser(t *testing.T) {
	a, b := pair(t)
	for _, c := range []*Conn{a, b} {
		if _, uid, err := c.Peer(); err != nil || uid != os.Getuid() {
			t.Errorf("got uid %d, %v; want %d", uid, err, os.Getuid())
		}
	}
}
