//go:build !unix

package restarttest

import "os"

func ignoredByDefault(os.Signal) bool { return false }
