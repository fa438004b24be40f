//go:build linux

// Package systemdtest stands in for systemd in tests, and boots a real one.
package systemdtest

import (
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// patience bounds every wait. It guards against hanging, it measures nothing.
const patience = 30 * time.Second

// A NotifySocket is systemd's end of the protocol of sd_notify(3).
type NotifySocket struct {
	Path string // for NOTIFY_SOCKET

	t        testing.TB
	conn     *net.UnixConn
	messages chan Message
}

// A Message is a datagram, and who has sent it according to the kernel.
type Message struct {
	PID   int
	Text  string
	Files []*os.File // that came along; open until the test ends
}

// Listen opens a notify socket.
func Listen(t testing.TB) *NotifySocket {
	t.Helper()
	path := filepath.Join(t.TempDir(), "notify")
	conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	raw, err := conn.SyscallConn()
	if err == nil {
		err = raw.Control(func(fd uintptr) {
			if err := unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_PASSCRED, 1); err != nil {
				t.Error(err)
			}
		})
	}
	if err != nil {
		t.Fatal(err)
	}
	s := &NotifySocket{Path: path, t: t, conn: conn, messages: make(chan Message, 1<<14)}
	ended := make(chan struct{})
	go func() { defer close(ended); s.read() }()
	t.Cleanup(func() { conn.Close(); <-ended; s.closeFiles() })
	return s
}

// read empties the socket as it fills, like systemd: the kernel keeps few
// datagrams, and a sender waits then.
func (s *NotifySocket) read() {
	defer close(s.messages)
	for {
		m, err := s.receive()
		if err != nil {
			return // closed
		}
		s.messages <- m
	}
}

// closeFiles closes the files of the messages that nobody has asked for.
func (s *NotifySocket) closeFiles() {
	for m := range s.messages {
		for _, f := range m.Files {
			f.Close()
		}
	}
}

// Next returns the next message.
func (s *NotifySocket) Next() Message {
	s.t.Helper()
	select {
	case m := <-s.messages:
		for _, f := range m.Files {
			s.t.Cleanup(func() { f.Close() })
		}
		return m
	case <-time.After(patience):
		s.t.Fatal("no message to systemd")
		return Message{}
	}
}

// SkipTo skips the messages up to the first whose text begins so, and that.
func (s *NotifySocket) SkipTo(prefix string) {
	s.t.Helper()
	for bound := time.Now().Add(patience); time.Now().Before(bound); {
		if strings.HasPrefix(s.Next().Text, prefix) {
			return
		}
	}
	s.t.Fatalf("no message to systemd begins with %q", prefix)
}

// mark is a message of the test itself.
const mark = "the messages up to here"

// Rest returns the messages that have been sent by now.
func (s *NotifySocket) Rest() []Message {
	s.t.Helper()
	conn, err := net.Dial("unixgram", s.Path)
	if err != nil {
		s.t.Fatal(err)
	}
	defer conn.Close()
	if _, err := conn.Write([]byte(mark)); err != nil {
		s.t.Fatal(err)
	}
	var rest []Message
	for {
		m := s.Next()
		if m.Text == mark {
			return rest
		}
		rest = append(rest, m)
	}
}

func (s *NotifySocket) receive() (m Message, err error) {
	text, control := make([]byte, 8192), make([]byte, 4096)
	n, cn, _, _, err := s.conn.ReadMsgUnix(text, control)
	if err != nil {
		return m, err
	}
	m.Text = strings.TrimSuffix(string(text[:n]), "\n")
	messages, err := unix.ParseSocketControlMessage(control[:cn])
	if err != nil {
		return m, err
	}
	for _, c := range messages {
		if cred, err := unix.ParseUnixCredentials(&c); err == nil {
			m.PID = int(cred.Pid)
		}
		if fds, err := unix.ParseUnixRights(&c); err == nil {
			for _, fd := range fds {
				unix.CloseOnExec(fd)
				m.Files = append(m.Files, os.NewFile(uintptr(fd), "file"))
			}
		}
	}
	return m, nil
}
