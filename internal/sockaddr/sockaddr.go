// Package sockaddr opens sockets by network and address, tells whether two
// spellings mean one socket, and looks after the files of Unix sockets.
package sockaddr

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"strings"
	"syscall"
	"time"

	"example.com/restart/internal/gate"
	"example.com/restart/internal/wire"
)

// Listen opens a listening stream socket: tcp, tcp4, tcp6 or unix. It replaces
// the file of a Unix socket that nobody answers on. Closing the socket leaves
// its file.
func Listen(ctx context.Context, config net.ListenConfig, network, address string) (gate.Socket, Path, error) {
	switch network {
	case "tcp", "tcp4", "tcp6", "unix":
	case "udp", "udp4", "udp6", "unixgram":
		return nil, Path{}, fmt.Errorf("network %q has no connections: use AddPacket", network)
	default:
		return nil, Path{}, net.UnknownNetworkError(network)
	}
	ln, path, err := open(network, address, func() (net.Listener, error) { return config.Listen(ctx, network, address) })
	if err != nil {
		return nil, Path{}, err
	}
	if u, ok := ln.(*net.UnixListener); ok {
		u.SetUnlinkOnClose(false) // the file belongs to all generations
	}
	return ln.(gate.Socket), path, nil // TCP and Unix listeners both are
}

// ListenPacket opens a datagram socket: udp, udp4, udp6 or unixgram. Otherwise
// it is like Listen.
func ListenPacket(ctx context.Context, config net.ListenConfig, network, address string) (net.PacketConn, Path, error) {
	switch network {
	case "udp", "udp4", "udp6", "unixgram":
	case "tcp", "tcp4", "tcp6", "unix":
		return nil, Path{}, fmt.Errorf("network %q has no datagrams: use udp, udp4, udp6 or unixgram", network)
	default:
		return nil, Path{}, net.UnknownNetworkError(network)
	}
	return open(network, address, func() (net.PacketConn, error) { return config.ListenPacket(ctx, network, address) })
}

func open[T any](network, address string, listen func() (T, error)) (T, Path, error) {
	s, err := listen()
	if isUnix(network) && errors.Is(err, syscall.EADDRINUSE) && removeStale(network, address) {
		s, err = listen()
	}
	if err != nil || !isUnix(network) {
		return s, Path{}, err
	}
	return s, PathOf(address), nil
}

// Matcher returns a test whether the socket that a predecessor describes is the
// one that the address asks for. Two spellings of one address are the same.
// Port 0 asks for any port, so only a socket of the same name can be meant:
// sameName says whether the described one is. Matcher may ask a name server.
func Matcher(network, address string) func(f wire.File, sameName bool) bool {
	if isUnix(network) {
		path := absolute(address)
		return func(f wire.File, _ bool) bool {
			bound := f.Path
			if bound == "" {
				bound = f.Address
			}
			return f.Network == network && bound == path
		}
	}
	var asked netip.AddrPort
	tcp, resolveErr := net.ResolveTCPAddr(strings.Replace(network, "udp", "tcp", 1), address)
	if resolveErr == nil {
		asked = tcp.AddrPort()
	}
	return func(f wire.File, sameName bool) bool {
		if f.Network == network && f.Address == address {
			return sameName || asked.Port() != 0
		}
		bound, err := netip.ParseAddrPort(f.Local)
		if err != nil || resolveErr != nil {
			return false
		}
		if asked.Port() == 0 {
			if !sameName || !anyPort(f.Address) {
				return false
			}
		} else if asked.Port() != bound.Port() {
			return false
		}
		if !asked.Addr().IsValid() || asked.Addr().IsUnspecified() {
			// ":80", "0.0.0.0:80" and "[::]:80" are one socket to package net,
			// of IPv4, IPv6 or both as the network says.
			return f.Network == network && bound.Addr().IsUnspecified()
		}
		return family(network) == family(f.Network) && asked.Addr().Unmap() == bound.Addr().Unmap()
	}
}

// SamePort reports whether two addresses, such as ":80" and "127.0.0.1:80",
// name the same port.
func SamePort(a, b string) bool {
	_, portA, errA := net.SplitHostPort(a)
	_, portB, errB := net.SplitHostPort(b)
	return errA == nil && errB == nil && portA == portB
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

// removeStale removes the file of a Unix socket that a dead process left, and
// reports whether it did. The file is stale only if it is a socket and refuses a
// connection. Two programs that start at once on one stale file are not kept
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
