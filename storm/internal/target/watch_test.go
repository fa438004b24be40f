package target

import (
	"bufio"
	"io"
	"net"
	"net/netip"
	"os"
	"slices"
	"testing"

	"example.com/restart/storm/internal/proc"
)

// socket is a listening socket to be given to other processes. A Watcher does not count this process.
func socket(t *testing.T) (*os.File, netip.AddrPort) {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	f, err := ln.(*net.TCPListener).File()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = f.Close() })
	return f, ap(ln.Addr().String())
}

// holder is a process that holds a socket.
type holder struct {
	proc.ID
	in   io.WriteCloser
	out  *bufio.Reader
	wait func() error
}

func newHolder(t *testing.T, socket *os.File) *holder {
	t.Helper()
	cmd := roleCommand("hold")
	cmd.ExtraFiles = []*os.File{socket}
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	h := &holder{in: in, out: bufio.NewReader(out), wait: cmd.Wait}
	h.hear(t, "held")
	st, err := proc.Stat(cmd.Process.Pid)
	if err != nil {
		t.Fatal(err)
	}
	h.ID = st.ID
	return h
}

func (h *holder) hear(t *testing.T, want string) {
	t.Helper()
	if got, err := h.out.ReadString('\n'); err != nil || got != want+"\n" {
		t.Fatalf("got %q, %v, want %q", got, err, want)
	}
}

// tell sends a command and waits until it is done.
func (h *holder) tell(t *testing.T, what string) {
	t.Helper()
	if _, err := io.WriteString(h.in, what+"\n"); err != nil {
		t.Fatal(err)
	}
	h.hear(t, what)
}

func (h *holder) end(t *testing.T) {
	t.Helper()
	_ = h.in.Close()
	if err := h.wait(); err != nil {
		t.Fatal(err)
	}
}

func scan(t *testing.T, w *Watcher) {
	t.Helper()
	if err := w.Scan(); err != nil {
		t.Fatal(err)
	}
}

// check compares the living holders, in the order in which they got the socket.
func check(t *testing.T, w *Watcher, when string, living ...*holder) {
	t.Helper()
	var want []proc.ID
	for _, h := range living {
		want = append(want, h.ID)
	}
	if got := w.Living(); !slices.Equal(got, want) {
		t.Errorf("%s: got living %v, want %v", when, got, want)
	}
	var newest proc.ID
	if len(living) > 0 {
		newest = living[len(living)-1].ID
	}
	if got := w.Newest(); got != newest {
		t.Errorf("%s: got newest %v, want %v", when, got, newest)
	}
}

func TestWatcherFollowsARestart(t *testing.T) {
	s, addr := socket(t)
	w := NewWatcher(addr)
	scan(t, w)
	check(t, w, "before anybody")
	a := newHolder(t, s)
	scan(t, w)
	check(t, w, "the first counts at once", a)
	b := newHolder(t, s)
	scan(t, w)
	check(t, w, "a second may be a passing child", a)
	if w.Seen(b.PID) {
		t.Error("the second is seen at first sight")
	}
	await(t, "the second", func() bool {
		scan(t, w)
		return w.Seen(b.PID)
	})
	check(t, w, "the second stays", a, b)
	scan(t, w)
	check(t, w, "no news", a, b)
	a.tell(t, "drop")
	scan(t, w)
	check(t, w, "the first drains", a, b)
	a.end(t)
	scan(t, w)
	check(t, w, "the first has ended", b)
	b.end(t)
	scan(t, w)
	check(t, w, "after everybody")
	if !w.Seen(a.PID) || !w.Seen(b.PID) {
		t.Error("those that have ended are forgotten")
	}
}

func TestWatcherKnowsAllHoldersOfTheFirstScan(t *testing.T) {
	s, addr := socket(t)
	w := NewWatcher(addr)
	a, b := newHolder(t, s), newHolder(t, s)
	scan(t, w)
	for _, h := range []*holder{a, b} {
		if !w.Seen(h.PID) || !slices.Contains(w.Living(), h.ID) {
			t.Errorf("%v is not seen, living are %v", h.ID, w.Living())
		}
	}
}

func TestAnswered(t *testing.T) {
	s, addr := socket(t)
	w := NewWatcher(addr)
	a := newHolder(t, s)
	scan(t, w)
	b := newHolder(t, s)
	if !w.Answered(b.PID) {
		t.Error("who answers at first sight is not known")
	}
	check(t, w, "answered", a, b)
	b.tell(t, "drop")
	scan(t, w)
	if !w.Answered(b.PID) {
		t.Error("who drains is not known any more")
	}
	if w.Answered(os.Getpid()) {
		t.Error("who never held the socket is taken for a server")
	}
}

// A passing child that has let go of the socket does not serve, even if it answers elsewhere.
func TestAnsweredForgetsWhoLetGo(t *testing.T) {
	s, addr := socket(t)
	w := NewWatcher(addr)
	a := newHolder(t, s)
	scan(t, w)
	b := newHolder(t, s)
	scan(t, w)
	b.tell(t, "drop")
	if w.Answered(b.PID) {
		t.Error("who held the socket for a moment is taken for a server")
	}
	check(t, w, "a passing child", a)
}

func TestServer(t *testing.T) {
	s, addr := socket(t)
	w := NewWatcher(addr)
	a, b := newHolder(t, s), newHolder(t, s)
	scan(t, w)
	for _, h := range []*holder{b, a} {
		c, err := net.Dial("tcp", addr.String())
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		client := ap(c.LocalAddr().String())
		if got := w.Server(client, addr); got != 0 {
			t.Errorf("got %d before anybody accepted, want 0", got)
		}
		h.tell(t, "accept")
		if got := w.Server(client, addr); got != h.PID {
			t.Errorf("got %d, want %d", got, h.PID)
		}
	}
	if got := w.Server(closed(t), addr); got != 0 {
		t.Errorf("got %d for no connection, want 0", got)
	}
}
