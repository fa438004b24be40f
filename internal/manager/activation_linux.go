//go:build !restart_portable

package manager

import (
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"

	"example.com/restart/internal/fdutil"
	"example.com/restart/internal/handshake"
	"example.com/restart/internal/wire"
)

// Activated returns the sockets that systemd has given this process, see
// sd_listen_fds(3): those of socket units, and those that Keep has stored before
// the process died. It removes the variables. What is no listening or datagram
// socket is closed.
func Activated() []Socket {
	var sockets []Socket
	for _, f := range listenFiles() {
		desc, err := describe(f)
		if err != nil {
			f.Close()
			continue
		}
		s := Socket{Socket: handshake.Socket{Desc: desc, File: f}, FromUnit: true}
		if kept, ok := parseStoreName(f.Name()); ok {
			kept.Kind, kept.Local = desc.Kind, desc.Local
			s.Desc, s.FromUnit = kept, false
		}
		sockets = append(sockets, s)
	}
	return sockets
}

// listenFDsStart is SD_LISTEN_FDS_START.
const listenFDsStart = 3

// listenFiles returns the descriptors that systemd has passed, with their names,
// and removes the variables that say so. It is not activation.Files of go-systemd:
// that package imports crypto/tls, for which every program would pay.
func listenFiles() []*os.File {
	pid, fds := os.Getenv("LISTEN_PID"), os.Getenv("LISTEN_FDS")
	names := strings.Split(os.Getenv("LISTEN_FDNAMES"), ":")
	for _, v := range []string{"LISTEN_PID", "LISTEN_PIDFDID", "LISTEN_FDS", "LISTEN_FDNAMES"} {
		_ = os.Unsetenv(v) // cannot fail
	}
	n, err := strconv.Atoi(fds)
	if err != nil || pid != strconv.Itoa(os.Getpid()) {
		return nil // none, or another process's
	}
	var files []*os.File
	for i := range n {
		name := "unknown" // as sd_listen_fds_with_names(3) says
		if i < len(names) && names[i] != "" {
			name = names[i]
		}
		unix.CloseOnExec(listenFDsStart + i)
		files = append(files, os.NewFile(uintptr(listenFDsStart+i), name))
	}
	return files
}

// describe says what kind of socket f is and where it is bound. A Unix socket has
// no Path: its file is the socket unit's.
func describe(f *os.File) (wire.File, error) {
	desc := wire.File{Name: f.Name()}
	dup, err := fdutil.Dup(f)
	if err != nil {
		return desc, err
	}
	var addr net.Addr
	if ln, err := fdutil.Listener(dup); err == nil {
		desc.Kind, addr = wire.KindListener, ln.Addr()
		ln.Close()
	} else {
		if dup, err = fdutil.Dup(f); err != nil {
			return desc, err
		}
		pc, err := fdutil.PacketConn(dup)
		if err != nil {
			return desc, err
		}
		desc.Kind, addr = wire.KindPacket, pc.LocalAddr()
		pc.Close()
	}
	desc.Local, desc.Address = addr.String(), addr.String()
	err = fdutil.Control(f, func(fd int) (err error) {
		desc.Network, err = network(fd, addr)
		return err
	})
	return desc, err
}

// network returns the network that Add would ask for: tcp is IPv6 and IPv4.
func network(fd int, addr net.Addr) (string, error) {
	name := addr.Network()
	domain, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_DOMAIN)
	if err != nil {
		return "", os.NewSyscallError("getsockopt(SO_DOMAIN)", err)
	}
	switch domain {
	case unix.AF_INET:
		return name + "4", nil
	case unix.AF_INET6:
		only, err := unix.GetsockoptInt(fd, unix.IPPROTO_IPV6, unix.IPV6_V6ONLY)
		if err == nil && only != 0 {
			name += "6"
		}
		return name, os.NewSyscallError("getsockopt(IPV6_V6ONLY)", err)
	}
	return name, nil
}

// storePrefix tells sockets in the descriptor store from those of socket units.
const storePrefix = "restart|"

// maxStoreName is what systemd allows.
const maxStoreName = 255

// storeName returns the name of a socket in the descriptor store, from which its
// description can be made again. It is empty if the name would be too long. Of a Unix
// socket it has the absolute path, and the identity of the file if there is room for that.
func storeName(f wire.File) string {
	address, id := f.Address, ""
	if f.Path != "" {
		address, id = f.Path, fmt.Sprintf("|%d.%d.%d", f.Dev, f.Ino, f.Made)
	}
	name := storePrefix + url.QueryEscape(f.Name) + "|" + f.Network + "|" + url.QueryEscape(address)
	switch {
	case len(name+id) <= maxStoreName:
		return name + id
	case len(name) <= maxStoreName:
		return name
	}
	return ""
}

func parseStoreName(s string) (f wire.File, ok bool) {
	fields := strings.Split(s, "|")
	if len(fields) < 4 || len(fields) > 5 || fields[0]+"|" != storePrefix {
		return f, false
	}
	var errs [3]error
	f.Network = fields[2]
	f.Name, errs[0] = url.QueryUnescape(fields[1])
	f.Address, errs[1] = url.QueryUnescape(fields[3])
	if len(fields) == 5 {
		f.Path = f.Address
		_, errs[2] = fmt.Sscanf(fields[4], "%d.%d.%d", &f.Dev, &f.Ino, &f.Made)
	}
	return f, errors.Join(errs[:]...) == nil
}

// Keep stores a socket, if the unit has FileDescriptorStoreMax=. systemd gives it
// to the process that it starts after this one has died. Storing the same socket
// again changes nothing.
func (n *Notified) Keep(f wire.File, socket syscall.Conn) {
	n.mu.Lock()
	defer n.mu.Unlock()
	name := storeName(f)
	if name == "" || !n.leadsLocked() {
		return
	}
	err := fdutil.Control(socket, func(fd int) error {
		return send(n.socket, []string{"FDSTORE=1", "FDNAME=" + name}, fd)
	})
	if err != nil && !errors.Is(err, net.ErrClosed) && !errors.Is(err, os.ErrClosed) {
		n.log.Error("restart: the service manager does not keep a listener", "listener", f.Name, "error", err)
	}
}

// GiveUp removes a socket from the store: systemd would go on listening, and
// clients would wait for an answer.
func (n *Notified) GiveUp(f wire.File) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if name := storeName(f); name != "" && n.leadsLocked() {
		n.sendLocked("FDSTOREREMOVE=1", "FDNAME="+name)
	}
}
