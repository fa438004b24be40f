package bench

import (
	"context"
	"crypto/tls"
	"fmt"
	"net/netip"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"example.com/restart/storm/internal/rawhttp"
	"example.com/restart/storm/internal/target"
)

const (
	startLimit = 20 * time.Second
	stopGrace  = 3 * time.Second
)

// contestant is one of the servers that are measured.
type contestant struct {
	command string
	process *target.Process
	watcher *target.Watcher
	addr    string
	tls     *tls.Config // nil for plain HTTP
}

func start(ctx context.Context, command string, overTLS bool, cpus []int) (*contestant, error) {
	addr, err := target.FreeAddr()
	if err != nil {
		return nil, err
	}
	// exec replaces the shell by the server.
	line := "exec " + strings.ReplaceAll(command, "{addr}", addr)
	c := &contestant{command: command}
	err = pinned(cpus, func() error {
		c.process, err = target.Start([]string{"sh", "-c", line}, nil, "")
		return err
	})
	if err != nil {
		return nil, err
	}
	serving := c.awaitPlain
	if overTLS {
		serving = c.awaitTLS
	}
	at, err := serving(ctx, addr)
	if err != nil {
		c.process.Stop(nil, stopGrace)
		return nil, err
	}
	c.addr, c.watcher = at.String(), target.NewWatcher(at)
	if err := c.watcher.Scan(); err != nil {
		c.stop()
		return nil, err
	}
	return c, nil
}

// awaitPlain waits until the server answers at the address, or anywhere if its command does not have the address.
func (c *contestant) awaitPlain(ctx context.Context, addr string) (netip.AddrPort, error) {
	var known target.Addresses
	if strings.Contains(c.command, "{addr}") {
		var err error
		if known.Plain, err = target.Resolve(addr); err != nil {
			return netip.AddrPort{}, err
		}
	}
	found, err := target.Discover(ctx, c.process, known, startLimit)
	return found.Plain, err
}

// awaitTLS waits until the server answers over TLS at the address.
func (c *contestant) awaitTLS(ctx context.Context, addr string) (netip.AddrPort, error) {
	c.tls = &tls.Config{InsecureSkipVerify: true, NextProtos: []string{"http/1.1"}}
	c.addr = addr
	for begun := time.Now(); ; {
		conn, err := c.dial(ctx)
		if err == nil {
			_ = conn.Close()
			return target.Resolve(addr)
		}
		select {
		case <-time.After(25 * time.Millisecond):
		case <-c.process.Exited():
			return netip.AddrPort{}, fmt.Errorf("storm: the server ended before it answered: %w\n%s", c.process.Err(), c.process.LogTail())
		case <-ctx.Done():
			return netip.AddrPort{}, ctx.Err()
		}
		if time.Since(begun) > startLimit {
			return netip.AddrPort{}, fmt.Errorf("storm: the server does not speak TLS: %w\n%s", err, c.process.LogTail())
		}
	}
}

func (c *contestant) dial(ctx context.Context) (*rawhttp.Conn, error) {
	return rawhttp.Dial(ctx, c.addr, c.tls, limit)
}

func (c *contestant) stop() { c.process.Stop(c.watcher.Living(), stopGrace) }

// cpuTime is the CPU time that the processes of the server have used: what getrusage(2) would tell them, but to the
// nanosecond and from outside.
func (c *contestant) cpuTime() (total time.Duration) {
	for _, id := range c.watcher.Living() {
		var used unix.Timespec
		if err := unix.ClockGettime(cpuClock(id.PID), &used); err == nil {
			total += time.Duration(used.Nano())
		}
	}
	return total
}

// cpuClock is the clock of the CPU time of a process, as clock_getcpuclockid(3) makes it.
func cpuClock(pid int) int32 {
	const sched = 2 // in nanoseconds, by the scheduler
	return int32(^pid<<3 | sched)
}
