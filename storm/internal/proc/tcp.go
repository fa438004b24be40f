// Package proc reads from /proc which process holds which socket, and how much memory and how many open files it has.
package proc

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"net/netip"
	"os"
	"strconv"
)

// Socket is a line of /proc/net/tcp or tcp6.
type Socket struct {
	Local, Remote netip.AddrPort
	Listening     bool
	Inode         uint64 // 0 if no process holds it
}

// stateListen is TCP_LISTEN in the kernel's enum.
const stateListen = "0A"

// parseTCP calls yield for each socket in a table until yield returns false. It skips lines that it cannot parse, so that
// one line does not hide the rest.
func parseTCP(table []byte, yield func(Socket) bool) {
	_, rest, _ := bytes.Cut(table, []byte{'\n'}) // the heading
	var line []byte
	for len(rest) > 0 {
		line, rest, _ = bytes.Cut(rest, []byte{'\n'})
		var f [10][]byte
		if fields(line, &f) < len(f) {
			continue
		}
		local, err := parseAddr(f[1])
		if err != nil {
			continue
		}
		remote, err := parseAddr(f[2])
		if err != nil {
			continue
		}
		inode, err := strconv.ParseUint(string(f[9]), 10, 64)
		if err != nil {
			continue
		}
		if !yield(Socket{local, remote, string(f[3]) == stateListen, inode}) {
			return
		}
	}
}

func fields(line []byte, f *[10][]byte) (n int) {
	for n < len(f) {
		line = bytes.TrimLeft(line, " \t")
		if len(line) == 0 {
			break
		}
		i := bytes.IndexAny(line, " \t")
		if i < 0 {
			i = len(line)
		}
		f[n] = line[:i]
		line = line[i:]
		n++
	}
	return n
}

// parseAddr parses 0100007F:1F90: 32-bit words in the byte order of the machine.
func parseAddr(b []byte) (netip.AddrPort, error) {
	host, port, ok := bytes.Cut(b, []byte{':'})
	if !ok || len(host) != 8 && len(host) != 32 || len(port) != 4 {
		return netip.AddrPort{}, fmt.Errorf("storm: address %q", b)
	}
	p, err := strconv.ParseUint(string(port), 16, 16)
	if err != nil {
		return netip.AddrPort{}, err
	}
	var raw [16]byte
	n, err := hex.Decode(raw[:], host)
	if err != nil {
		return netip.AddrPort{}, err
	}
	for i := 0; i < n; i += 4 {
		binary.BigEndian.PutUint32(raw[i:], binary.NativeEndian.Uint32(raw[i:]))
	}
	ip, _ := netip.AddrFromSlice(raw[:n])
	return netip.AddrPortFrom(ip.Unmap(), uint16(p)), nil
}

var tables = [...]string{"/proc/net/tcp", "/proc/net/tcp6"}

// Sockets calls yield for each TCP socket of this network namespace until yield returns false.
func Sockets(yield func(Socket) bool) error {
	more := true
	for _, name := range tables {
		b, err := os.ReadFile(name)
		if os.IsNotExist(err) { // a kernel without IPv6
			continue
		}
		if err != nil {
			return fmt.Errorf("storm: %w", err)
		}
		if more {
			parseTCP(b, func(s Socket) bool { more = yield(s); return more })
		}
	}
	return nil
}

// Serves reports whether the socket listens for connections to addr.
func (s Socket) Serves(addr netip.AddrPort) bool {
	return s.Listening && s.Local.Port() == addr.Port() && (s.Local.Addr().IsUnspecified() || s.Local.Addr() == addr.Addr())
}

// Listeners returns the inodes of the sockets that listen on addr. With SO_REUSEPORT there are several.
func Listeners(addr netip.AddrPort) (map[uint64]bool, error) {
	inodes := map[uint64]bool{}
	for _, name := range tables {
		err := listening(name, func(s Socket) {
			if s.Serves(addr) && s.Inode != 0 {
				inodes[s.Inode] = true
			}
		})
		if err != nil {
			return nil, err
		}
	}
	return inodes, nil
}

// listening reads the beginning of a table, where the kernel lists the listening sockets (tcp_seq_start). The rest can be
// tens of thousands of connections in TIME_WAIT, and the kernel formats only the lines that are read.
func listening(name string, yield func(Socket)) error {
	f, err := os.Open(name)
	if os.IsNotExist(err) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("storm: %w", err)
	}
	defer f.Close()
	table := make([]byte, 0, 16<<10)
	for {
		if len(table) == cap(table) {
			table = append(table, 0)[:len(table)]
		}
		n, err := f.Read(table[len(table):cap(table)])
		table = table[:len(table)+n]
		more := err == nil
		// An incomplete line must not be parsed: it may end within the inode.
		whole := table
		if more {
			whole = table[:bytes.LastIndexByte(table, '\n')+1]
		}
		parseTCP(whole, func(s Socket) bool {
			more = more && s.Listening
			return s.Listening
		})
		if !more {
			parseTCP(whole, func(s Socket) bool {
				if s.Listening {
					yield(s)
				}
				return s.Listening
			})
			return nil
		}
	}
}

// ServerEnd returns the inode of the server's end of a connection on this machine. It is 0 for a connection that the
// server has not accepted.
func ServerEnd(client, server netip.AddrPort) (inode uint64, err error) {
	err = Sockets(func(s Socket) bool {
		if !s.Listening && s.Local == server && s.Remote == client {
			inode = s.Inode
			return false
		}
		return true
	})
	return inode, err
}
