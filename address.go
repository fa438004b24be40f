package restart

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"example.com/restart/internal/fdutil"
	"example.com/restart/internal/wire"
)

// bind makes a new socket for s.
func (s *socket) bind(ctx context.Context, config net.ListenConfig) error {
	packet := s.datagrams != nil
	switch s.network {
	case "tcp", "tcp4", "tcp6", "unix":
		if packet {
			return fmt.Errorf("network %q has no datagrams: use udp, udp4, udp6 or unixgram", s.network)
		}
	case "udp", "udp4", "udp6", "unixgram":
		if !packet {
			return fmt.Errorf("network %q has no connections: use AddPacket", s.network)
		}
	default:
		return net.UnknownNetworkError(s.network)
	}
	err := s.listen(ctx, config, packet)
	if isUnix(s.network) && errors.Is(err, syscall.EADDRINUSE) && removeStale(s.network, s.address) {
		err = s.listen(ctx, config, packet)
	}
	if err == nil && isUnix(s.network) {
		s.path = newUnixPath(s.address)
	}
	return err
}

func (s *socket) listen(ctx context.Context, config net.ListenConfig, packet bool) error {
	if packet {
		pc, err := config.ListenPacket(ctx, s.network, s.address)
		if err != nil {
			return err
		}
		s.packet = pc
		return nil
	}
	ln, err := config.Listen(ctx, s.network, s.address)
	if err != nil {
		return err
	}
	if u, ok := ln.(*net.UnixListener); ok {
		u.SetUnlinkOnClose(false) // the path belongs to all generations
	}
	s.ln = newListener(ln.(deadliner)) // TCP and Unix listeners both are
	return nil
}

// sameAddress returns a test whether an offer is bound to what the address
// asks for. Two spellings of one address are the same; port 0 asks for any
// port, so only the name tells which one is meant.
func sameAddress(network, address string) func(o wire.File, byName bool) bool {
	if isUnix(network) {
		path := absolute(address)
		return func(o wire.File, _ bool) bool {
			bound := o.Path
			if bound == "" {
				bound = o.Address
			}
			return o.Network == network && bound == path
		}
	}
	var asked netip.AddrPort
	tcp, resolveErr := net.ResolveTCPAddr(strings.Replace(network, "udp", "tcp", 1), address)
	if resolveErr == nil {
		asked = tcp.AddrPort()
	}
	return func(o wire.File, byName bool) bool {
		if o.Network == network && o.Address == address {
			return byName || asked.Port() != 0
		}
		bound, err := netip.ParseAddrPort(o.Local)
		if err != nil || resolveErr != nil {
			return false
		}
		if asked.Port() == 0 {
			if !byName || !anyPort(o.Address) {
				return false
			}
		} else if asked.Port() != bound.Port() {
			return false
		}
		if !asked.Addr().IsValid() || asked.Addr().IsUnspecified() {
			// ":80", "0.0.0.0:80" and "[::]:80" are one socket to package net,
			// of IPv4, IPv6 or both as the network says.
			return o.Network == network && bound.Addr().IsUnspecified()
		}
		return family(network) == family(o.Network) && asked.Addr().Unmap() == bound.Addr().Unmap()
	}
}

// anyPort reports whether an address asks for port 0.
func anyPort(address string) bool {
	_, port, err := net.SplitHostPort(address)
	return err == nil && (port == "" || strings.Trim(port, "0") == "")
}

// family returns what two networks must share to mean the same socket.
func family(network string) string {
	switch network {
	case "tcp", "tcp6", "tcp4":
		return "tcp"
	case "udp", "udp6", "udp4":
		return "udp"
	}
	return network
}

func isUnix(network string) bool { return network == "unix" || network == "unixgram" }

// absolute returns the path of a Unix socket from the root; an abstract
// address (unix(7)) has none and stays as it is.
func absolute(address string) string {
	if address == "" || address[0] == '@' {
		return address
	}
	if abs, err := filepath.Abs(address); err == nil {
		return abs
	}
	return address
}

// A unixPath is the file that a Unix socket is bound to. The numbers tell it
// from another one at the same path: only our own is ever unlinked.
type unixPath struct {
	path     string // absolute; "" if there is none
	dev, ino uint64
}

func newUnixPath(address string) unixPath {
	if address == "" || address[0] == '@' {
		return unixPath{}
	}
	p := unixPath{path: absolute(address)}
	if fi, err := os.Lstat(p.path); err == nil {
		p.dev, p.ino = fdutil.FileID(fi)
	}
	return p
}

// unlink removes the path if it is still ours.
func (p unixPath) unlink() error {
	if p.path == "" {
		return nil
	}
	fi, err := os.Lstat(p.path)
	if err != nil {
		return nil // gone already
	}
	if dev, ino := fdutil.FileID(fi); dev != p.dev || ino != p.ino {
		return nil
	}
	return os.Remove(p.path)
}

// removeStale removes the path of a Unix socket that a dead process left, and
// reports whether it did. It is stale only if it is a socket and refuses a
// connection. Two programs that start at once on one stale path are not kept
// apart: a lock file would be needed for that.
func removeStale(network, path string) bool {
	fi, err := os.Lstat(path)
	if err != nil || fi.Mode().Type() != os.ModeSocket {
		return false
	}
	c, err := net.DialTimeout(network, path, time.Second)
	if err == nil {
		c.Close()
		return false
	}
	return errors.Is(err, syscall.ECONNREFUSED) && os.Remove(path) == nil
}
