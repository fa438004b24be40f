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

	t    testing.TB
	conn *net.UnixConn
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
	t.Cleanup(func() { conn.Close() })
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
	return &NotifySocket{Path: path, t: t, conn: conn}
}

// Next returns the next message.
func (s *NotifySocket) Next() Message {
	s.t.Helper()
	m, err := s.receive(time.Now().Add(patience))
	if err != nil {
		s.t.Fatalf("notify socket: %v", err)
	}
	return m
}

// Rest returns the messages that have been sent by now.
func (s *NotifySocket) Rest() []Message {
	var rest []Message
	for {
		m, err := s.receive(time.Now().Add(time.Millisecond))
		if err != nil {
			return rest
		}
		rest = append(rest, m)
	}
}

func (s *NotifySocket) receive(bound time.Time) (m Message, err error) {
	if err := s.conn.SetReadDeadline(bound); err != nil {
		return m, err
	}
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
				f := os.NewFile(uintptr(fd), "file")
				s.t.Cleanup(func() { f.Close() })
				m.Files = append(m.Files, f)
			}
		}
	}
	return m, nil
}
