//go:build unix

package restart

import (
	"os"
	"syscall"
)

// ownSignals are those that do something without hooks. SIGTSTP is none of
// them, so that Ctrl-Z keeps working.
var ownSignals = []os.Signal{syscall.SIGHUP, syscall.SIGINT, syscall.SIGTERM, syscall.SIGUSR2}

func isHammer(sig os.Signal) bool { return sig == syscall.SIGUSR2 }

func canCatch(sig os.Signal) bool { return sig != syscall.SIGKILL && sig != syscall.SIGSTOP }
