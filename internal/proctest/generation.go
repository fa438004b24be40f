//go:build linux

package proctest

import (
	"fmt"
	"log/slog"
	"os"
	"regexp"
	"strconv"
	"strings"
	"syscall"
)

// A Generation is one process of a family whose roles log to [Logger].
type Generation struct {
	Number int // from 1
	PID    int
	Addr   map[string]string // where each listener is bound
}

// Logger is for a role whose generations the test follows. It announces the
// process and returns what a Restarter should log to.
func Logger() *slog.Logger {
	fmt.Printf("start pid=%d\n", os.Getpid())
	return slog.New(slog.NewTextHandler(os.Stdout, nil))
}

var attr = regexp.MustCompile(`(\w+)=("[^"]*"|\S+)`)

// Serving waits until a generation serves n listeners.
func (f *Family) Serving(number, n int) Generation {
	f.t.Helper()
	g := Generation{Number: number, Addr: make(map[string]string)}
	for i := range n {
		line := f.Wait(i+1, `msg="restart: serving"`, fmt.Sprintf("generation=%d ", number))
		attrs := make(map[string]string)
		for _, m := range attr.FindAllStringSubmatch(line, -1) {
			attrs[m[1]] = strings.Trim(m[2], `"`)
		}
		g.PID, _ = strconv.Atoi(attrs["pid"]) // Signal would not find it
		g.Addr[attrs["listener"]] = attrs["address"]
	}
	return g
}

// Restart makes g start a successor, and returns that when it serves.
func (f *Family) Restart(g Generation) Generation {
	f.t.Helper()
	f.Signal(g.PID, syscall.SIGHUP)
	return f.Serving(g.Number+1, len(g.Addr))
}
