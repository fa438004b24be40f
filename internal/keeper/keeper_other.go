//go:build !linux

package keeper

// Supported reports whether this platform can have a keeper.
const Supported = false

// Run returns StatusFailed.
func Run(Config) int { return StatusFailed }

// Exec does nothing.
func Exec() {}

func endWithKeeper() {}
