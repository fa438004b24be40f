//go:build !linux || restart_portable

package manager

// Find returns Nobody: only Linux has managers that a restart must be explained
// to.
func Find() Manager { return Nobody{} }

// Activated returns nothing.
func Activated() []Socket { return nil }
