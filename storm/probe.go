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
	conn, err := rawhttp.Dial(context.WithoutCancel(ctx), r.server.plainAddr(), nil, r.cfg.Timeout)
	if err != nil {
		r.probes.Record(start, time.Now(), 0, err)
		return 0
	}
	defer conn.Close()
	_ = conn.SetDeadline(start.Add(r.cfg.Timeout))
	body, err := r.ask(conn)
	r.probes.Record(start, time.Now(), conn.Received(), err)
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

// ask sends a GET and returns the beginning of the answer's body.
func (r *run) ask(conn *rawhttp.Conn) (body []byte, err error) {
	const kept = 4096 // enough to say which process sent it
	resp, err := conn.RoundTrip(fmt.Appendf(nil, "GET / HTTP/1.1\r\nHost: %s\r\n\r\n", r.server.addrs.Plain), func(b []byte) error {
		body = append(body, b[:min(len(b), kept-len(body))]...)
		return nil
	})
	if err == nil && resp.Status != 200 {
		err = fmt.Errorf("%w: status %d", tally.ErrWrong, resp.Status)
	}
	return body, err
}

func addrPort(a net.Addr) netip.AddrPort {
	if t, ok := a.(*net.TCPAddr); ok {
		ap := t.AddrPort()
		return netip.AddrPortFrom(ap.Addr().Unmap(), ap.Port())
	}
	return netip.AddrPort{}
}
