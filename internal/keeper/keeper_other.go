//go:build !linux || restart_portable

package keeper

import "errors"

// Supported reports whether this platform can have a keeper.
const Supported = false

// Run returns StatusFailed.
func Run(Config) int { return StatusFailed }

// Become returns errors.ErrUnsupported.
func Become() error { return errors.ErrUnsupported }

// Exec does nothing.
func Exec() {}

func endWithKeeper() {}
