package storm

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"time"

	"example.com/restart/storm/internal/rawhttp"
	"example.com/restart/storm/internal/tally"
)

// probe sends a request on a new connection and returns the PID of who answered it, 0 if that cannot be told. It is a
// request like all others: if it is lost, it is counted.
func (r *run) probe(ctx context.Context) (pid int) {
	start := time.Now()
	var body []byte
	received, err := int64(0), error(nil)
	conn, err := rawhttp.Dial(context.WithoutCancel(ctx), r.addrs.Plain.String(), nil, r.cfg.Timeout)
	if err == nil {
		defer conn.Close()
		_ = conn.SetDeadline(start.Add(r.cfg.Timeout))
		werr := conn.Write(fmt.Appendf(nil, "GET / HTTP/1.1\r\nHost: %s\r\n\r\n", r.addrs.Plain))
		var resp rawhttp.Response
		resp, err = conn.ReadResponse(func(b []byte) error {
			if len(body) < 4096 {
				body = append(body, b...)
			}
			return nil
		})
		switch {
		case err == nil && resp.Status != 200:
			err = fmt.Errorf("%w: status %d", tally.ErrWrong, resp.Status)
		case err != nil && werr != nil:
			err = werr
		}
		received = conn.Received()
	}
	r.probes.Record(start, time.Now(), received, err)
	if err != nil {
		return 0
	}
	// A proxy passes on what another process says of itself: only who holds the listening socket is believed.
	if pid = pidIn(body); pid == 0 || !r.watcher.Answered(pid) {
		pid = r.watcher.Server(addrPort(conn.LocalAddr()), addrPort(conn.RemoteAddr()))
	}
	if pid != 0 {
		r.answers.saw(pid, time.Now())
	}
	return pid
}

func addrPort(a net.Addr) netip.AddrPort {
	if t, ok := a.(*net.TCPAddr); ok {
		ap := t.AddrPort()
		return netip.AddrPortFrom(ap.Addr().Unmap(), ap.Port())
	}
	return netip.AddrPort{}
}
