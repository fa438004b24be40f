package bench

import (
	"context"
	"fmt"
	"os"
	"strings"
	"time"

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
}

func start(ctx context.Context, command string, cpus []int) (*contestant, error) {
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
	var known target.Addresses
	if strings.Contains(command, "{addr}") {
		if known.Plain, err = target.Resolve(addr); err != nil {
			return nil, err
		}
	}
	found, err := target.Discover(ctx, c.process, known, startLimit)
	if err != nil {
		c.process.Stop(nil, stopGrace)
		return nil, err
	}
	c.addr = found.Plain.String()
	c.watcher = target.NewWatcher(found.Plain)
	if err := c.watcher.Scan(); err != nil {
		c.stop()
		return nil, err
	}
	return c, nil
}

func (c *contestant) stop() { c.process.Stop(c.watcher.Living(), stopGrace) }

// cpuTime is the CPU time of the server's threads in nanoseconds. /proc/PID/stat has it only in hundredths of a second.
func (c *contestant) cpuTime() (total time.Duration) {
	for _, id := range c.watcher.Living() {
		dir := fmt.Sprintf("/proc/%d/task", id.PID)
		tasks, err := os.ReadDir(dir)
		if err != nil {
			continue
		}
		for _, t := range tasks {
			b, err := os.ReadFile(dir + "/" + t.Name() + "/schedstat")
			if err != nil {
				continue
			}
			var ns int64
			if _, err := fmt.Sscan(string(b), &ns); err == nil {
				total += time.Duration(ns)
			}
		}
	}
	return total
}
