package bench

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"time"
)

const attachLimit = 10 * time.Second

// countCalls counts the system calls of A and B for one download, where strace is installed and allowed.
func (rep *Report) countCalls(ctx context.Context, cfg Config, cs [servers]*contestant) {
	var err error
	if rep.CallsA, err = calls(ctx, cfg, cs[serverA]); err == nil {
		rep.CallsB, err = calls(ctx, cfg, cs[serverB])
	}
	if err != nil {
		rep.NoCalls = err.Error()
	}
}

func calls(ctx context.Context, cfg Config, c *contestant) (map[string]int, error) {
	path, err := exec.LookPath("strace")
	if err != nil {
		return nil, err
	}
	out, err := os.CreateTemp("", "storm-strace-*")
	if err != nil {
		return nil, err
	}
	defer os.Remove(out.Name())
	defer out.Close()
	ctx, cancel := context.WithTimeout(ctx, 2*limit)
	defer cancel()
	cmd := exec.CommandContext(ctx, path, "-c", "-f", "-o", out.Name(), "-p", strconv.Itoa(c.watcher.Newest().PID))
	stderr, err := cmd.StderrPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	attached := make(chan string, 1)
	drained := make(chan struct{})
	go func() {
		defer close(drained)
		lines := bufio.NewScanner(stderr)
		for lines.Scan() {
			select {
			case attached <- lines.Text():
			default:
			}
		}
	}()
	select {
	case line := <-attached:
		if !strings.Contains(line, "attached") {
			err = fmt.Errorf("strace: %s", line)
		}
	case <-time.After(attachLimit):
		err = fmt.Errorf("strace did not attach within %v", attachLimit)
	}
	if err == nil {
		err = fetchWhole(ctx, c, cfg.DownloadSize)
	}
	_ = cmd.Process.Signal(syscall.SIGINT)
	<-drained
	_ = cmd.Wait() // the error is that it was interrupted
	if err != nil {
		return nil, err
	}
	b, err := os.ReadFile(out.Name())
	if err != nil {
		return nil, err
	}
	return parseCounts(string(b)), nil
}

// parseCounts parses the table of strace -c: % time, seconds, usecs/call, calls, errors (may be blank), syscall.
func parseCounts(table string) map[string]int {
	counts := map[string]int{}
	for line := range strings.Lines(table) {
		f := strings.Fields(line)
		if len(f) < 5 || len(f) > 6 {
			continue
		}
		name := f[len(f)-1]
		n, err := strconv.Atoi(f[3])
		if _, ferr := strconv.ParseFloat(f[0], 64); err != nil || ferr != nil || name == "total" {
			continue
		}
		counts[name] += n
	}
	return counts
}
