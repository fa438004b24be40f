//go:build !unix

package restart

import (
	"os"
	"syscall"
)

// ownSignals are those that do something without hooks. There is no SIGUSR2
// here: call Hammer.
var ownSignals = []os.Signal{syscall.SIGHUP, syscall.SIGINT, syscall.SIGTERM}

func isHammer(os.Signal) bool { return false }

func canCatch(sig os.Signal) bool { return sig != os.Kill }
