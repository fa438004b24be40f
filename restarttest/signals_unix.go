//go:build unix

package restarttest

import (
	"os"
	"slices"
	"syscall"
)

// ignoredByDefault reports whether a signal that nobody takes leaves a process
// alone (signal(7)). SIGTSTP would stop it, which is not done here.
func ignoredByDefault(sig os.Signal) bool {
	return slices.Contains([]os.Signal{syscall.SIGCHLD, syscall.SIGCONT, syscall.SIGTSTP, syscall.SIGURG, syscall.SIGWINCH}, sig)
}
