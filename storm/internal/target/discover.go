package target

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"time"

	"example.com/restart/storm/internal/proc"
	"example.com/restart/storm/internal/rawhttp"
)

// Addresses says where a server serves.
type Addresses struct {
	Plain netip.AddrPort
	TLS   netip.AddrPort // invalid if there is none
}

// Resolve resolves host:port. A host that means all interfaces becomes loopback.
func Resolve(addr string) (netip.AddrPort, error) {
	a, err := net.ResolveTCPAddr("tcp", addr)
	if err != nil {
		return netip.AddrPort{}, fmt.Errorf("storm: %w", err)
	}
	ap := a.AddrPort()
	return reachable(netip.AddrPortFrom(ap.Addr().Unmap(), ap.Port())), nil
}

func reachable(a netip.AddrPort) netip.AddrPort {
	switch {
	case !a.Addr().IsValid(), a.Addr() == netip.IPv4Unspecified(), a.Addr() == netip.IPv6Unspecified():
		// An IPv6 wildcard takes IPv4 too by default, and every loopback has IPv4.
		return netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 0, 0, 1}), a.Port())
	}
	return a
}

// FreeAddr returns a loopback address on which nobody listens now.
func FreeAddr() (string, error) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", fmt.Errorf("storm: %w", err)
	}
	defer ln.Close()
	return ln.Addr().String(), nil
}

// Discover waits until a started server answers, and finds the addresses on which it speaks HTTP and TLS. It does not look
// for an address that is known.
func Discover(ctx context.Context, p *Process, known Addresses, limit time.Duration) (Addresses, error) {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	tick := time.NewTicker(25 * time.Millisecond)
	defer tick.Stop()
	quiet := 0
	for {
		found := known
		for _, a := range listening(p) {
			switch {
			case a.Port() == known.Plain.Port() || a.Port() == known.TLS.Port():
			case !found.TLS.IsValid() && speaksTLS(ctx, a):
				found.TLS = a
			case !found.Plain.IsValid() && Answers(ctx, a):
				found.Plain = a
			}
		}
		if found.Plain.IsValid() && Answers(ctx, found.Plain) {
			// A TLS address often comes a moment after the plain one.
			if quiet++; found.TLS.IsValid() || quiet > 8 {
				return found, nil
			}
		}
		select {
		case <-tick.C:
		case <-p.Exited():
			return found, fmt.Errorf("storm: the server ended before it answered: %w\n%s", p.Err(), p.LogTail())
		case <-ctx.Done():
			if ctx.Err() == context.Canceled { // Err and not Cause: signal.NotifyContext sets a cause
				return found, ctx.Err()
			}
			return found, fmt.Errorf("storm: the server did not answer HTTP within %v\n%s", limit, p.LogTail())
		}
	}
}

// listening returns the addresses on which the processes of a server listen, lowest port first.
func listening(p *Process) []netip.AddrPort {
	held := map[uint64]bool{}
	for _, st := range p.Family() {
		proc.SocketsOf(st.PID, func(inode uint64) bool { held[inode] = true; return true })
	}
	var found []netip.AddrPort
	_ = proc.Sockets(func(s proc.Socket) bool {
		if s.Listening && held[s.Inode] {
			found = append(found, reachable(s.Local))
		}
		return true
	})
	slices.SortFunc(found, func(a, b netip.AddrPort) int { return cmp.Compare(a.Port(), b.Port()) })
	return found
}

func speaksTLS(ctx context.Context, a netip.AddrPort) bool {
	c, err := rawhttp.Dial(ctx, a.String(), &tls.Config{InsecureSkipVerify: true}, time.Second)
	if err != nil {
		return false
	}
	_ = c.Close()
	return true
}

// Answers reports whether an address answers a request with HTTP, whatever the status. A TLS port of net/http answers plain
// requests with 400, so a caller that does not know the port must try TLS first.
func Answers(ctx context.Context, a netip.AddrPort) bool {
	c, err := rawhttp.Dial(ctx, a.String(), nil, time.Second)
	if err != nil {
		return false
	}
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(time.Second))
	_, err = c.RoundTrip([]byte("GET / HTTP/1.1\r\nHost: storm\r\nConnection: close\r\n\r\n"), nil)
	return err == nil
}

// WaitAnswer waits until an address answers HTTP.
func WaitAnswer(ctx context.Context, a netip.AddrPort, limit time.Duration) error {
	for deadline := time.Now().Add(limit); time.Now().Before(deadline) && ctx.Err() == nil; {
		if Answers(ctx, a) {
			return nil
		}
		time.Sleep(25 * time.Millisecond)
	}
	return errors.Join(ctx.Err(), fmt.Errorf("storm: nothing answers HTTP on %v", a))
}
