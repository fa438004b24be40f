//go:build !restart_portable

package keeper

import (
	"net"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// A socket is where the program sends its messages, see sd_notify(3). Its name is
// abstract: no file system must be writable, and a program that has given up root
// reaches it.
type socket struct {
	fd   int
	name string // as in NOTIFY_SOCKET
}

func listen() (socket, error) {
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return socket{}, os.NewSyscallError("socket", err)
	}
	if err := unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_PASSCRED, 1); err != nil {
		return socket{}, os.NewSyscallError("setsockopt(SO_PASSCRED)", err)
	}
	if err := unix.Bind(fd, &unix.SockaddrUnix{}); err != nil { // the kernel finds a free name
		return socket{}, os.NewSyscallError("bind", err)
	}
	sa, err := unix.Getsockname(fd)
	if err != nil {
		return socket{}, os.NewSyscallError("getsockname", err)
	}
	return socket{fd, sa.(*unix.SockaddrUnix).Name}, nil
}

// awaitMessages wakes the keeper when there is a message. It runs on a goroutine
// of its own.
func (k *keeper) awaitMessages(fd int) {
	for {
		awaitInput(fd)
		k.wake <- struct{}{}
	}
}

// A message is a datagram of the program.
type message struct {
	pid   int // of the sender, according to the kernel
	lines []string
	fds   []int // came along
}

// value returns what the last line says that assigns to a name.
func (m message) value(name string) (value string) {
	for _, line := range m.lines {
		if n, v, ok := strings.Cut(line, "="); ok && n == name {
			value = v
		}
	}
	return value
}

// maxMessages bounds how many are handled at once, so that a sender of many
// cannot keep the keeper from its other work.
const maxMessages = 1024

// receive handles the messages that have been sent by now.
func (k *keeper) receive() {
	text, control := make([]byte, 16<<10), make([]byte, unix.CmsgSpace(unix.SizeofUcred)+unix.CmsgSpace(4*253))
	for range maxMessages {
		n, cn, _, _, err := unix.Recvmsg(k.socket.fd, text, control, unix.MSG_DONTWAIT|unix.MSG_CMSG_CLOEXEC)
		if err == unix.EINTR {
			continue
		}
		if err != nil {
			return // EAGAIN: there is none
		}
		m := message{lines: strings.Split(string(text[:n]), "\n")}
		controls, _ := unix.ParseSocketControlMessage(control[:cn]) // of the kernel
		for _, c := range controls {
			if cred, err := unix.ParseUnixCredentials(&c); err == nil {
				m.pid = int(cred.Pid)
			}
			if fds, err := unix.ParseUnixRights(&c); err == nil {
				m.fds = append(m.fds, fds...)
			}
		}
		k.handle(m)
	}
}

// handle does what a message says. It takes the descriptors. Those that are not
// kept are closed, which is also the answer to BARRIER=1.
func (k *keeper) handle(m message) {
	if m.value("FDSTORE") != "1" || k.main == nil || k.main.pid != m.pid {
		defer closeAll(m.fds)
	}
	mainPID, _ := strconv.Atoi(m.value("MAINPID")) // 0: not named
	switch {
	case k.main != nil && k.main.pid == m.pid:
	case k.main == nil && !k.ending && mainPID == m.pid && k.isEarlier(m.pid) != nil:
		// The process that replaced it has died before it served, and it serves on.
	default:
		k.refuse(m, mainPID)
		return
	}
	if mainPID != 0 {
		k.follow(mainPID)
	}
	if k.main == nil {
		return
	}
	for _, line := range m.lines {
		k.obey(line, m)
	}
	k.relay(m.lines)
}

// obey does what a line says, but for MAINPID.
func (k *keeper) obey(line string, m message) {
	switch line {
	case "READY=1":
		if !k.main.ready {
			k.log.Info("restart-keeper: ready", "pid", k.main.pid, "status", m.value("STATUS"))
		}
		k.main.ready, k.main.alive = true, k.sys.now()
	case "RELOADING=1":
		if k.sys.now().Sub(k.stopAt) > refusedTime {
			k.stop = 0
		}
	case "STOPPING=1":
		k.main.stopping = true
		k.log.Info("restart-keeper: the program is stopping", "pid", k.main.pid)
	case "WATCHDOG=1":
		k.main.alive = k.sys.now()
	case "WATCHDOG=trigger":
		k.endSilent()
	case "FDSTORE=1":
		k.keep(m.value("FDNAME"), m.fds)
	case "FDSTOREREMOVE=1":
		k.store.remove(m.value("FDNAME"))
	}
}

// follow makes another process the main one.
func (k *keeper) follow(pid int) {
	if k.main != nil && k.main.pid == pid {
		return
	}
	p := k.isEarlier(pid)
	if p == nil {
		if !k.isOurs(pid) {
			k.log.Error("restart-keeper: the program names a main process that does not live below the keeper", "named", pid)
			return
		}
		p = &process{pid: pid, pidfd: -1}
		if !k.sys.isChild(pid) && pid != k.justEnded {
			fd, err := unix.PidfdOpen(pid, 0)
			if err != nil {
				k.log.Error("restart-keeper: cannot watch the main process that the program names", "named", pid, "error", err)
				return
			}
			p.pidfd = fd
			if dup, err := unix.FcntlInt(uintptr(fd), unix.F_DUPFD_CLOEXEC, 0); err == nil {
				go k.awaitEnd(dup)
			}
		}
	}
	k.forget(pid)
	from := 0
	if k.main != nil {
		from = k.main.pid
		k.earlier = append(k.earlier, k.main)
		p.ready = k.main.ready
	}
	p.since = k.sys.now()
	p.alive = p.since
	k.main, k.startAt = p, unset
	k.log.Info("restart-keeper: the main process is another one", "pid", pid, "before", from)
	if k.stop != 0 { // was meant for the program, and came to a process that was being replaced
		k.signal(p, k.stop)
	}
}

// refuse says once why a process is not listened to.
func (k *keeper) refuse(m message, mainPID int) {
	main := 0
	if k.main != nil {
		main = k.main.pid
	}
	args := []any{"from", m.pid, "main", main, "message", strings.Join(m.lines, " ")}
	switch {
	case k.isEarlier(m.pid) != nil && mainPID == m.pid:
		// The program has been started again in the meantime: two would serve.
		k.log.Error("restart-keeper: an earlier process takes the service back too late, ending it", args...)
		k.signal(k.isEarlier(m.pid), unix.SIGTERM)
	case m.pid != k.refused && k.isOurs(m.pid):
		k.refused = m.pid
		k.log.Warn(`restart-keeper: a message is ignored because it does not come from the main process: if a script starts the program, let it do so with "exec"`, args...)
	}
}

// relay tells systemd, if it has started the keeper. The main process is the
// keeper there.
func (k *keeper) relay(lines []string) {
	if k.upstream == "" {
		return
	}
	lines = slices.DeleteFunc(slices.Clone(lines), func(line string) bool {
		name, _, _ := strings.Cut(line, "=")
		return !slices.Contains([]string{"READY", "RELOADING", "MONOTONIC_USEC", "STOPPING", "STATUS", "WATCHDOG"}, name)
	})
	if len(lines) == 0 {
		return
	}
	conn, err := net.DialUnix("unixgram", nil, &net.UnixAddr{Name: k.upstream, Net: "unixgram"})
	if err == nil {
		defer conn.Close()
		_ = conn.SetWriteDeadline(time.Now().Add(time.Second))
		_, err = conn.Write([]byte(strings.Join(lines, "\n")))
	}
	if err != nil {
		k.log.Error("restart-keeper: systemd does not know the state of the program", "error", err)
	}
}
