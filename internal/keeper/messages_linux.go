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
	FD   int
	Name string // as in NOTIFY_SOCKET
}

func listen() (socket, error) {
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return socket{}, os.NewSyscallError("socket", err)
	}
	name, err := bind(fd)
	if err != nil {
		unix.Close(fd)
		return socket{}, err
	}
	return socket{fd, name}, nil
}

// bind gives a socket a free name, and has the kernel say who sends to it.
func bind(fd int) (name string, err error) {
	if err := unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_PASSCRED, 1); err != nil {
		return "", os.NewSyscallError("setsockopt(SO_PASSCRED)", err)
	}
	if err := unix.Bind(fd, &unix.SockaddrUnix{}); err != nil {
		return "", os.NewSyscallError("bind", err)
	}
	addr, err := unix.Getsockname(fd)
	if err != nil {
		return "", os.NewSyscallError("getsockname", err)
	}
	return addr.(*unix.SockaddrUnix).Name, nil
}

// awaitMessages wakes the keeper when there is a message. It runs on a goroutine
// of its own.
func (k *keeper) awaitMessages(fd int) {
	for {
		readable(fd, -1)
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
		n, cn, _, _, err := unix.Recvmsg(k.Socket.FD, text, control, unix.MSG_DONTWAIT|unix.MSG_CMSG_CLOEXEC)
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
	if m.value("FDSTORE") != "1" || !k.isMain(m.pid) {
		defer closeAll(m.fds)
	}
	mainPID, _ := strconv.Atoi(m.value("MAINPID")) // 0: not named
	// If the process that replaced it has died before it served, an earlier one
	// serves on, and says so.
	takesBack := k.Main == nil && !k.Ending && mainPID == m.pid && k.findEarlier(m.pid) != nil
	if !k.isMain(m.pid) && !takesBack {
		k.refuse(m, mainPID)
		return
	}
	if mainPID != 0 {
		k.follow(mainPID)
	}
	if k.Main == nil {
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
		if !k.Main.Ready {
			k.log.Info("restart-keeper: ready", "pid", k.Main.PID, "status", m.value("STATUS"))
		}
		k.Main.Ready, k.Main.Alive = true, k.sys.now()
	case "RELOADING=1":
		if k.sys.now().Sub(k.StopAt) > refusedTime {
			k.Stop = 0
		}
	case "STOPPING=1":
		k.Main.Stopping = true
		k.log.Info("restart-keeper: the program is stopping", "pid", k.Main.PID)
	case "WATCHDOG=1":
		k.Main.Alive = k.sys.now()
	case "WATCHDOG=trigger":
		k.endSilent()
	case "FDSTORE=1":
		k.keep(m.value("FDNAME"), m.fds)
	case "FDSTOREREMOVE=1":
		k.Store.remove(m.value("FDNAME"))
	}
}

// follow makes another process the main one.
func (k *keeper) follow(pid int) {
	if k.isMain(pid) {
		return
	}
	p := k.findEarlier(pid)
	if p == nil {
		if p = k.newMain(pid); p == nil {
			return
		}
	}
	k.forget(pid)
	before := 0
	if k.Main != nil {
		before = k.Main.PID
		k.Earlier = append(k.Earlier, k.Main)
		p.Ready = k.Main.Ready
	}
	p.Since = k.sys.now()
	p.Alive = p.Since
	k.Main, k.StartAt = p, time.Time{}
	k.log.Info("restart-keeper: the main process is another one", "pid", pid, "before", before)
	if k.Stop != 0 { // was meant for the program, and came to a process that was being replaced
		k.signal(p, k.Stop)
	}
}

// newMain returns a process that the program names and that has not been the main
// one, nil if it cannot be.
func (k *keeper) newMain(pid int) *process {
	if !k.isOurs(pid) {
		k.log.Error("restart-keeper: the program names a main process that does not live below the keeper", "named", pid)
		return nil
	}
	p := &process{PID: pid, PIDFD: -1}
	if k.sys.isChild(pid) || pid == k.justEnded {
		return p
	}
	var err error
	if p.PIDFD, err = unix.PidfdOpen(pid, 0); err != nil {
		k.log.Error("restart-keeper: cannot watch the main process that the program names", "named", pid, "error", err)
		return nil
	}
	k.watch(p)
	return p
}

// refuse says once why a process is not listened to.
func (k *keeper) refuse(m message, mainPID int) {
	main := 0
	if k.Main != nil {
		main = k.Main.PID
	}
	args := []any{"from", m.pid, "main", main, "message", strings.Join(m.lines, " ")}
	switch {
	case k.findEarlier(m.pid) != nil && mainPID == m.pid:
		// The program has been started again in the meantime: two would serve.
		k.log.Error("restart-keeper: an earlier process takes the service back too late, ending it", args...)
		k.signal(k.findEarlier(m.pid), unix.SIGTERM)
	case m.pid != k.refused && k.isOurs(m.pid):
		k.refused = m.pid
		k.log.Warn(`restart-keeper: a message is ignored because it does not come from the main process: if a script starts the program, let it do so with "exec"`, args...)
	}
}

// relay tells our own manager, systemd or another keeper, what the program says of
// itself. To that the keeper is the main process.
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
		k.log.Error("restart-keeper: the service manager does not know the state of the program", "error", err)
	}
}
