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

// probe sends a request on a new connection and returns the PID of the process that answered, 0 if that is not known. A
// probe that is lost counts as a loss, like any other request.
func (r *run) probe(ctx context.Context) (pid int) {
	start := time.Now()
	var body []byte
	received, err := int64(0), error(nil)
	conn, err := rawhttp.Dial(context.WithoutCancel(ctx), r.server.plainAddr(), nil, r.cfg.Timeout)
	if err == nil {
		defer conn.Close()
		_ = conn.SetDeadline(start.Add(r.cfg.Timeout))
		werr := conn.Write(fmt.Appendf(nil, "GET / HTTP/1.1\r\nHost: %s\r\n\r\n", r.server.addrs.Plain))
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
	// A proxy passes on the PID of another process. Only a process that holds the listening socket is believed.
	if pid = pidIn(body); pid == 0 || !r.server.serves(pid) {
		pid = r.server.watcher.Server(addrPort(conn.LocalAddr()), addrPort(conn.RemoteAddr()))
	}
	if pid != 0 {
		r.answers.record(pid, time.Now())
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
