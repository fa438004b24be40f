package compare

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// Contestant is one server to be compared.
type Contestant struct {
	Name string
	// Command is a shell command that starts the server; {addr} in it becomes its address. Without {addr}, storm finds the
	// address by the listening sockets of the server.
	Command string
	Signal  syscall.Signal // restarts the server
	Missing string         // why the server cannot run on this machine; empty if it can
	// Prepare, if not nil, returns the command in place of Command, and a function that removes everything that it made.
	Prepare func(ctx context.Context) (command string, clean func(), err error)
}

// ParseContestant parses name=command or name:signal=command. The signal is SIGHUP unless given.
func ParseContestant(s string) (Contestant, error) {
	head, command, ok := strings.Cut(s, "=")
	name, sig, given := strings.Cut(head, ":")
	if !ok || name == "" || strings.TrimSpace(command) == "" {
		return Contestant{}, fmt.Errorf("need name=command or name:signal=command, got %q", s)
	}
	c := Contestant{Name: name, Command: command, Signal: syscall.SIGHUP}
	if given {
		var err error
		if c.Signal, err = ParseSignal(sig); err != nil {
			return Contestant{}, err
		}
	}
	return c, nil
}

// ParseSignal parses a signal in the forms HUP, SIGHUP, hup and 1.
func ParseSignal(s string) (syscall.Signal, error) {
	if n, err := strconv.Atoi(s); err == nil && n > 0 && n < 65 {
		return syscall.Signal(n), nil
	}
	name := strings.ToUpper(s)
	if !strings.HasPrefix(name, "SIG") {
		name = "SIG" + name
	}
	if n := unix.SignalNum(name); n != 0 {
		return n, nil
	}
	return 0, fmt.Errorf("unknown signal %q", s)
}
