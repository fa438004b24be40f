package bench

import (
	"context"
	"fmt"
	"sync"
	"time"

	"example.com/restart/storm/internal/rawhttp"
)

const limit = 30 * time.Second

// together runs one on each connection until the time is up, and adds up the units.
func together(cfg Config, one func(deadline time.Time) (float64, error)) (float64, error) {
	var (
		wg    sync.WaitGroup
		mu    sync.Mutex
		units float64
		first error
	)
	deadline := time.Now().Add(cfg.Time)
	for range cfg.Connections {
		wg.Go(func() {
			n, err := one(deadline)
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

func keepAlive(ctx context.Context, c *contestant, cfg Config) (float64, error) {
	req := get(c.addr, "/", "")
	return together(cfg, func(deadline time.Time) (n float64, err error) {
		conn, err := rawhttp.Dial(ctx, c.addr, nil, limit)
		if err != nil {
			return 0, err
		}
		defer conn.Close()
		_ = conn.SetDeadline(deadline.Add(limit))
		for time.Now().Before(deadline) {
			if err := exchange(conn, req); err != nil {
				return n, err
			}
			n++
		}
		return n, nil
	})
}

// onePerRequest lets the server close first. Else the client would run out of ports in TIME_WAIT.
func onePerRequest(ctx context.Context, c *contestant, cfg Config) (float64, error) {
	req := get(c.addr, "/", "Connection: close\r\n")
	return together(cfg, func(deadline time.Time) (n float64, err error) {
		for time.Now().Before(deadline) {
			conn, err := rawhttp.Dial(ctx, c.addr, nil, limit)
			if err != nil {
				return n, err
			}
			_ = conn.SetDeadline(time.Now().Add(limit))
			err = exchange(conn, req)
			if err == nil {
				awaitEnd(conn)
			}
			_ = conn.Close()
			if err != nil {
				return n, err
			}
			n++
		}
		return n, nil
	})
}

// awaitEnd reads the server's FIN.
func awaitEnd(conn *rawhttp.Conn) {
	// Whatever is read, the connection is not used again.
	_, _ = conn.ReadResponse(nil)
}

func exchange(conn *rawhttp.Conn, req []byte) error {
	if err := conn.Write(req); err != nil {
		return err
	}
	resp, err := conn.ReadResponse(nil)
	if err == nil && resp.Status != 200 {
		err = fmt.Errorf("status %d", resp.Status)
	}
	return err
}

const mebibyte = 1 << 20

// download fetches the large file and returns its size in MiB.
func download(ctx context.Context, c *contestant, cfg Config) (float64, error) {
	conn, err := rawhttp.Dial(ctx, c.addr, nil, limit)
	if err != nil {
		return 0, err
	}
	defer conn.Close()
	n, err := fetch(conn, c, cfg)
	return float64(n) / mebibyte, err
}

// fetch gets the large file and returns the number of bytes that came.
func fetch(conn *rawhttp.Conn, c *contestant, cfg Config) (n int64, err error) {
	conn.SetBuffer(mebibyte)
	_ = conn.SetDeadline(time.Now().Add(2 * limit))
	if err := conn.Write(get(c.addr, fmt.Sprintf("/download?n=%d", cfg.DownloadSize), "")); err != nil {
		return 0, err
	}
	resp, err := conn.ReadResponse(func(b []byte) error { n += int64(len(b)); return nil })
	if err == nil && (resp.Status != 200 || n != cfg.DownloadSize) {
		err = fmt.Errorf("got status %d and %d bytes, want 200 and %d", resp.Status, n, cfg.DownloadSize)
	}
	return n, err
}

// fetchWhole fetches the large file and then sends another request on the connection. Its answer shows that the server has
// finished all system calls for the file.
func fetchWhole(ctx context.Context, c *contestant, cfg Config) error {
	conn, err := rawhttp.Dial(ctx, c.addr, nil, limit)
	if err != nil {
		return err
	}
	defer conn.Close()
	if _, err := fetch(conn, c, cfg); err != nil {
		return err
	}
	return exchange(conn, get(c.addr, "/", ""))
}
