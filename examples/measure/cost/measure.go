package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"example.com/restart/control"
	"example.com/restart/examples/internal/figures"
)

// result is what was measured of one server, in milliseconds.
type result struct {
	cold   float64   // from the start of the first process until it serves
	serves []float64 // from the request for a restart until the new process serves
	ends   []float64 // from the request for a restart until the old process has ended
	alive  int       // connections that the last process answers on
}

func middleAndWorst(ms []float64) (median, worst float64) {
	return figures.Median(ms), slices.Max(ms)
}

// measure starts a server, connects, and restarts it.
func measure(ctx context.Context, listeners, conns, restarts int) (r result, err error) {
	dir, err := os.MkdirTemp("", "cost-*")
	if err != nil {
		return r, err
	}
	defer os.RemoveAll(dir)
	client := control.Client{Path: filepath.Join(dir, "control")}
	began := time.Now()
	addr, stop, err := startServer(client.Path, listeners)
	if err != nil {
		return r, err
	}
	defer func() { err = errors.Join(err, stop()) }()
	r.cold = figures.Milliseconds(time.Since(began))

	clients, err := connect(addr, conns)
	defer closeAll(clients)
	if err != nil {
		return r, err
	}
	for range restarts {
		began, served := time.Now(), time.Duration(0)
		_, err := client.Restart(ctx, control.RestartOptions{Drain: func(p control.Progress) {
			if p.Event == control.ProgressReplaced {
				served = time.Duration(p.Elapsed)
			}
		}})
		if err != nil {
			return r, fmt.Errorf("restart: %w", err)
		}
		r.serves = append(r.serves, figures.Milliseconds(served))
		r.ends = append(r.ends, figures.Milliseconds(time.Since(began)))
	}
	for _, c := range clients {
		if c.ask() == nil {
			r.alive++
		}
	}
	return r, nil
}

// startServer starts the server and returns its address, and a function that stops all its processes.
func startServer(socket string, listeners int) (addr string, stop func() error, err error) {
	exe, err := os.Executable()
	if err != nil {
		return "", nil, err
	}
	cmd := exec.Command(exe, "serve", "-control", socket, "-listeners", fmt.Sprint(listeners))
	// A pipe would live on in the successors, and Wait would wait for them.
	stdout, w, err := os.Pipe()
	if err != nil {
		return "", nil, err
	}
	defer stdout.Close()
	cmd.Stdout, cmd.Stderr = w, os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	err = cmd.Start()
	w.Close()
	if err != nil {
		return "", nil, err
	}
	stop = func() error {
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		err := control.Client{Path: socket}.Stop(ctx, nil)
		_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) // what is left, if anything
		return errors.Join(err, cmd.Wait())
	}
	line, err := bufio.NewReader(stdout).ReadString('\n')
	if err != nil {
		_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
		return "", nil, errors.Join(fmt.Errorf("the server has not started: %w", err), cmd.Wait())
	}
	return strings.TrimSpace(line), stop, nil
}

// A client is one keep-alive connection.
type client struct{ conn net.Conn }

// connect opens connections. Each has one request answered, so that it is idle and not new.
func connect(addr string, n int) (clients []client, err error) {
	for range n {
		conn, err := net.Dial("tcp", addr)
		if err != nil {
			return clients, err
		}
		c := client{conn}
		clients = append(clients, c)
		if err := c.ask(); err != nil {
			return clients, err
		}
	}
	return clients, nil
}

func closeAll(clients []client) {
	for _, c := range clients {
		_ = c.conn.Close()
	}
}

// ask sends a request and reads the response, which fits into one segment.
func (c client) ask() error {
	if err := c.conn.SetDeadline(time.Now().Add(time.Minute)); err != nil {
		return err
	}
	if _, err := io.WriteString(c.conn, "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"); err != nil {
		return err
	}
	var buf [1024]byte
	n, err := c.conn.Read(buf[:])
	if err != nil {
		return err
	}
	if !strings.HasPrefix(string(buf[:n]), "HTTP/1.1 200 OK\r\n") {
		return fmt.Errorf("answer %q", buf[:n])
	}
	return nil
}
