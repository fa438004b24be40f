//go:build !restart_portable

package manager

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"example.com/restart/internal/fdutil"
)

// sendTimeout bounds how long systemd may leave its queue full.
const sendTimeout = 5 * time.Second

// send sends a datagram to a notify socket, see sd_notify(3), with descriptors,
// which it borrows. It is not daemon.SdNotify, which can send no descriptors and
// reads the name of the socket from the environment each time: a program may
// have removed it.
func send(socket string, lines []string, fds ...int) error {
	err := sendTo(socket, lines, fds)
	if errors.Is(err, syscall.EAFNOSUPPORT) {
		err = fmt.Errorf(`%w: add AF_UNIX to "RestrictAddressFamilies=" in the unit`, err)
	}
	if err != nil {
		return fmt.Errorf("notify the service manager: %w", err)
	}
	return nil
}

func sendTo(socket string, lines []string, fds []int) error {
	conn, err := net.DialUnix("unixgram", nil, &net.UnixAddr{Name: socket, Net: "unixgram"})
	if err != nil {
		return err
	}
	defer conn.Close()
	if err := conn.SetWriteDeadline(time.Now().Add(sendTimeout)); err != nil {
		return err
	}
	raw, err := conn.SyscallConn()
	if err != nil {
		return err
	}
	var rights []byte
	if len(fds) > 0 {
		rights = unix.UnixRights(fds...)
	}
	var sendErr error
	err = raw.Write(func(fd uintptr) bool {
		sendErr = unix.Sendmsg(int(fd), []byte(strings.Join(lines, "\n")), rights, nil, unix.MSG_NOSIGNAL)
		return sendErr != unix.EAGAIN
	})
	if err == nil {
		err = os.NewSyscallError("sendmsg", sendErr)
	}
	return err
}

// barrier waits until everything that was sent before has been read: then the
// other end closes the descriptor.
func barrier(socket string) error {
	r, w, err := os.Pipe()
	if err != nil {
		return err
	}
	defer r.Close()
	err = fdutil.Control(w, func(fd int) error { return send(socket, []string{"BARRIER=1"}, fd) })
	w.Close()
	if err != nil {
		return err
	}
	if err := r.SetReadDeadline(time.Now().Add(sendTimeout)); err != nil {
		return err
	}
	if _, err := r.Read(make([]byte, 1)); !errors.Is(err, io.EOF) {
		return fmt.Errorf("wait until the service manager has read: %w", err)
	}
	return nil
}

// maxStatus keeps the line in "systemctl status" readable.
const maxStatus = 500

// status returns the assignment of a status, which is one line.
func status(format string, args ...any) string {
	words := strings.Join(strings.Fields(fmt.Sprintf(format, args...)), " ")
	if len(words) > maxStatus {
		words = strings.ToValidUTF8(words[:maxStatus], "") + "…"
	}
	return "STATUS=" + words
}
