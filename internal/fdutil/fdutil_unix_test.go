//go:build darwin || dragonfly || freebsd || linux || netbsd || openbsd

package fdutil

import (
	"errors"
	"net"
	"os"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

func dup(t *testing.T, c any) *os.File {
	t.Helper()
	f, err := Dup(c.(syscall.Conn))
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// Each function takes only what it is for, closes the rest, and leaves the open
// file non-blocking.
func TestKindsAreToldApart(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	conn, err := net.Dial("tcp", ln.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	udp, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer udp.Close()
	null, err := os.Open(os.DevNull)
	if err != nil {
		t.Fatal(err)
	}
	defer null.Close()

	things := map[string]any{"listener": ln, "conn": conn, "packet": udp, "file": null}
	for thing, c := range things {
		for maker, make := range map[string]func(*os.File) (interface{ Close() error }, error){
			"listener": func(f *os.File) (interface{ Close() error }, error) { return Listener(f) },
			"conn":     func(f *os.File) (interface{ Close() error }, error) { return oneConn(t, f) },
			"packet":   func(f *os.File) (interface{ Close() error }, error) { return PacketConn(f) },
		} {
			if thing == "listener" && maker == "conn" {
				continue // package net does not ask; only a predecessor could send one
			}
			f := dup(t, c)
			got, err := make(f)
			if (err == nil) != (thing == maker) {
				t.Errorf("%s as %s: got error %v", thing, maker, err)
			}
			if err == nil {
				got.Close()
			}
			if f.Close() == nil {
				t.Errorf("%s as %s: the file was not taken", thing, maker)
			}
		}
	}
	for _, thing := range []string{"listener", "conn", "packet"} {
		if ok, err := NonBlocking(things[thing].(syscall.Conn)); !ok || err != nil {
			t.Errorf("%s: got non-blocking %v, %v", thing, ok, err)
		}
	}
}

func TestAtEOF(t *testing.T) {
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if AtEOF(r) {
		t.Error("with a writer: got EOF")
	}
	w.Close()
	if !AtEOF(r) {
		t.Error("without a writer: got no EOF")
	}
}

// oneConn calls StreamConns with a single descriptor, and takes f.
func oneConn(t *testing.T, f *os.File) (net.Conn, error) {
	t.Helper()
	fd, err := DupRaw(f)
	if err != nil {
		t.Fatal(err)
	}
	f.Close()
	conns, errs := StreamConns([]int{fd})
	return conns[0], errs[0]
}

// All descriptors are taken, whatever becomes of the others, and each
// connection is the one at its index.
func TestStreamConns(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	null, err := os.Open(os.DevNull)
	if err != nil {
		t.Fatal(err)
	}
	defer null.Close()
	var things []syscall.Conn
	for range 2 * fewestForOne { // so many that the work is shared
		c, err := net.Dial("tcp", ln.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		things = append(things, c.(*net.TCPConn), null)
	}
	before := openFiles(t)
	var fds []int
	for _, c := range things {
		fd, err := DupRaw(c)
		if err != nil {
			t.Fatal(err)
		}
		fds = append(fds, fd)
	}
	conns, errs := StreamConns(fds)
	for i, thing := range things {
		want, good := thing.(*net.TCPConn)
		switch {
		case good != (errs[i] == nil) || good != (conns[i] != nil):
			t.Errorf("%d: got %v, %v", i, conns[i], errs[i])
		case good:
			if got := conns[i].LocalAddr().String(); got != want.LocalAddr().String() {
				t.Errorf("%d: got the socket at %s, want %s", i, got, want.LocalAddr())
			}
			conns[i].Close()
		}
	}
	if after := openFiles(t); after != before {
		t.Errorf("got %d open files, want %d as before", after, before)
	}
}

func openFiles(t *testing.T) int {
	t.Helper()
	list, err := os.ReadDir("/dev/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(list)
}

// A connection whose peer has reset it has no remote address any more. Programs
// rely on one.
func TestStreamConnsRefusesAResetConnection(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	client, err := net.Dial("tcp", ln.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	server, err := ln.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer server.Close()
	client.(*net.TCPConn).SetLinger(0) // RST at Close
	client.Close()
	if _, err := server.Read(make([]byte, 1)); !errors.Is(err, syscall.ECONNRESET) {
		t.Fatalf("got %v, want a reset", err)
	}
	fd, err := DupRaw(server.(*net.TCPConn))
	if err != nil {
		t.Fatal(err)
	}
	conns, errs := StreamConns([]int{fd})
	if errs[0] == nil {
		t.Errorf("got a connection with the remote address %v, want an error", conns[0].RemoteAddr())
		conns[0].Close()
	}
}

func TestScarce(t *testing.T) {
	null, err := os.Open(os.DevNull)
	if err != nil {
		t.Fatal(err)
	}
	defer null.Close()
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		t.Fatal(err)
	}
	if Scarce(null, 32) {
		t.Errorf("with a limit of %d: got scarce", limit.Cur)
	}
	low := syscall.Rlimit{Cur: 100, Max: limit.Max}
	if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &low); err != nil {
		t.Fatal(err)
	}
	defer syscall.Setrlimit(syscall.RLIMIT_NOFILE, &limit)
	for _, tt := range []struct {
		fd      int
		reserve int
		want    bool
	}{{60, 20, false}, {79, 20, false}, {80, 20, true}, {74, 1000, false}, {75, 1000, true}, {99, 1, true}, {99, 0, false}} {
		err := Control(null, func(fd int) error { return unix.Dup2(fd, tt.fd) })
		if err != nil {
			t.Fatal(err)
		}
		f := os.NewFile(uintptr(tt.fd), "high")
		if got := Scarce(f, tt.reserve); got != tt.want {
			t.Errorf("descriptor %d of 100, %d reserved: got %v, want %v", tt.fd, tt.reserve, got, tt.want)
		}
		f.Close()
	}
}

// What is kept in a file has no name, and only its owner can have read it.
func TestMemory(t *testing.T) {
	dir := t.TempDir()
	t.Setenv("TMPDIR", dir)
	want := strings.Repeat("state", 100000)
	f, err := Memory([]byte(want))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if left, err := os.ReadDir(dir); len(left) > 0 || err != nil {
		t.Errorf("got files %v, %v", left, err)
	}
	if got, err := ReadMemory(f, int64(len(want))); string(got) != want || err != nil {
		t.Errorf("got %d bytes, %v; want the %d that were written", len(got), err, len(want))
	}
	if _, err := ReadMemory(f, int64(len(want))+1); err == nil {
		t.Error("of another size: got no error")
	}
}

func TestCheckPipe(t *testing.T) {
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	null, err := os.Open(os.DevNull)
	if err != nil {
		t.Fatal(err)
	}
	defer null.Close()
	if err := CheckPipe(r); err != nil {
		t.Error(err)
	}
	if err := CheckPipe(null); err == nil || !strings.Contains(err.Error(), "not a pipe") {
		t.Errorf("/dev/null: got %v, want that it is no pipe", err)
	}
	r.Close()
	if err := CheckPipe(r); !errors.Is(err, os.ErrClosed) {
		t.Errorf("got %v, want why it cannot be said", err)
	}
}
