package main

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"example.com/restart/control"
)

// The exit codes, as docs/control.md lists them.
const (
	exitDone       = 0 // what was asked for is done
	exitFailed     = 1 // the program refused, or the restart failed: it serves on
	exitUsage      = 2 // the command line is wrong
	exitNotRunning = 3 // nobody can be asked
	exitPermission = 4 // the program belongs to another user
	exitUnknown    = 5 // interrupted, or the answer was broken off
)

// A usageError is a command line that cannot be understood.
type usageError struct{ error }

func exitCode(err error) int {
	refused, answered := errors.AsType[*control.Error](err)
	_, usage := errors.AsType[usageError](err)
	switch {
	case usage:
		return exitUsage
	case errors.Is(err, control.ErrNotRunning):
		return exitNotRunning
	case errors.Is(err, control.ErrPermission), answered && refused.Code == control.CodeForbidden:
		return exitPermission
	case errors.Is(err, control.ErrLost), errors.Is(err, context.Canceled):
		return exitUnknown
	}
	return exitFailed
}

// explain returns what a person reads: of a restart that failed the last lines
// that the successor wrote, too.
func explain(err error) string {
	var b strings.Builder
	refused, answered := errors.AsType[*control.Error](err)
	switch {
	case errors.Is(err, context.Canceled):
		return "restartctl: interrupted; restartctl status shows what has become of it\n"
	case answered && refused.Stderr != "":
		// Text quotes the end of Stderr, which follows.
		fmt.Fprintf(&b, "restartctl: successor (pid %d) failed in phase %s: %s", refused.PID, refused.Phase, refused.Cause)
		if refused.Exit != "" {
			fmt.Fprintf(&b, " (%s)", refused.Exit)
		}
		b.WriteByte('\n')
	case answered:
		fmt.Fprintf(&b, "restartctl: %s\n", strings.TrimPrefix(refused.Text, "restart: "))
	default:
		fmt.Fprintf(&b, "restartctl: %s\n", strings.TrimPrefix(err.Error(), "control: "))
	}
	if answered && refused.Code == control.CodeFailed {
		if refused.Stderr != "" {
			b.WriteString("The last lines of its standard error:\n")
			for line := range strings.Lines(refused.Stderr) {
				fmt.Fprintf(&b, "    %s\n", strings.TrimRight(line, "\n"))
			}
		}
		b.WriteString("The old process serves on.\n")
	}
	if _, usage := errors.AsType[usageError](err); usage {
		b.WriteString("restartctl --help shows how to use it.\n")
	}
	return b.String()
}
