package bench

import (
	"context"
	"fmt"
	"sync"
	"time"

	"example.com/restart/storm/internal/rawhttp"
)

const (
	limit    = 30 * time.Second
	mebibyte = 1 << 20
)

// load is the client's side of one kind of load on one server. What it keeps open stays so between its turns.
type load interface {
	run() (units float64, err error) // one turn
	close()
}

// keepAlive sends one request after the other on each of its connections.
type keepAlive struct {
	conns []*rawhttp.Conn
	time  time.Duration
	req   []byte
}

func openKeepAlive(ctx context.Context, c *contestant, cfg Config) (load, error) {
	k := &keepAlive{time: cfg.Time, req: get(c.addr, "/", "")}
	for range cfg.Connections {
		conn, err := c.dial(ctx)
		if err != nil {
			k.close()
			return nil, err
		}
		k.conns = append(k.conns, conn)
	}
	return k, nil
}

func (k *keepAlive) run() (float64, error) {
	return together(len(k.conns), k.time, func(i int, deadline time.Time) (n float64, err error) {
		_ = k.conns[i].SetDeadline(deadline.Add(limit))
		for n == 0 || time.Now().Before(deadline) {
			if err := exchange(k.conns[i], k.req); err != nil {
				return n, err
			}
			n++
		}
		return n, nil
	})
}

func (k *keepAlive) close() {
	for _, conn := range k.conns {
		_ = conn.Close()
	}
}

// onePerRequest opens a connection for each request, and lets the server close first. Else the client would run out of ports
// in TIME_WAIT.
type onePerRequest struct {
	ctx context.Context
	c   *contestant
	cfg Config
	req []byte
}

func openOnePerRequest(ctx context.Context, c *contestant, cfg Config) (load, error) {
	return &onePerRequest{ctx, c, cfg, get(c.addr, "/", "Connection: close\r\n")}, nil
}

func (o *onePerRequest) run() (float64, error) {
	return together(o.cfg.Connections, o.cfg.Time, func(_ int, deadline time.Time) (n float64, err error) {
		for n == 0 || time.Now().Before(deadline) {
			if err := o.once(); err != nil {
				return n, err
			}
			n++
		}
		return n, nil
	})
}

func (o *onePerRequest) once() error {
	conn, err := o.c.dial(o.ctx)
	if err != nil {
		return err
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(limit))
	if err := exchange(conn, o.req); err != nil {
		return err
	}
	// Wait for the server's FIN. Whatever is read, the connection is not used again.
	_, _ = conn.ReadResponse(nil)
	return nil
}

func (o *onePerRequest) close() {}

// download fetches the large file once in each turn. Its unit is MiB.
type download struct {
	conn *rawhttp.Conn
	c    *contestant
	size int64
}

func openDownload(ctx context.Context, c *contestant, cfg Config) (load, error) {
	conn, err := c.dial(ctx)
	if err != nil {
		return nil, err
	}
	conn.SetBuffer(mebibyte)
	return &download{conn, c, cfg.DownloadSize}, nil
}

func (d *download) run() (float64, error) {
	n, err := fetch(d.conn, d.c, d.size)
	return float64(n) / mebibyte, err
}

func (d *download) close() { _ = d.conn.Close() }

// together runs one for each of n clients until the time is up, and adds up the units.
func together(n int, d time.Duration, one func(i int, deadline time.Time) (float64, error)) (float64, error) {
	var (
		wg    sync.WaitGroup
		mu    sync.Mutex
		units float64
		first error
	)
	deadline := time.Now().Add(d)
	for i := range n {
		wg.Go(func() {
			n, err := one(i, deadline)
			mu.Lock()
			defer mu.Unlock()
			units += n
			if first == nil {
				first = err
			}
		})
	}
	wg.Wait()
	return units, first
}

func get(addr, path, more string) []byte {
	return fmt.Appendf(nil, "GET %s HTTP/1.1\r\nHost: %s\r\n%s\r\n", path, addr, more)
}

func exchange(conn *rawhttp.Conn, req []byte) error {
	resp, err := conn.RoundTrip(req, nil)
	if err == nil && resp.Status != 200 {
		err = fmt.Errorf("status %d", resp.Status)
	}
	return err
}

// fetch gets the large file and returns the number of bytes that came.
func fetch(conn *rawhttp.Conn, c *contestant, size int64) (n int64, err error) {
	_ = conn.SetDeadline(time.Now().Add(2 * limit))
	req := get(c.addr, fmt.Sprintf("/download?n=%d", size), "")
	resp, err := conn.RoundTrip(req, func(b []byte) error { n += int64(len(b)); return nil })
	if err == nil && (resp.Status != 200 || n != size) {
		err = fmt.Errorf("got status %d and %d bytes, want 200 and %d", resp.Status, n, size)
	}
	return n, err
}

// fetchWhole fetches the large file and then sends another request on the connection. Its answer shows that the server has
// finished all system calls for the file.
func fetchWhole(ctx context.Context, c *contestant, size int64) error {
	conn, err := c.dial(ctx)
	if err != nil {
		return err
	}
	defer conn.Close()
	conn.SetBuffer(mebibyte)
	if _, err := fetch(conn, c, size); err != nil {
		return err
	}
	return exchange(conn, get(c.addr, "/", ""))
}
