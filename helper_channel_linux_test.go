//go:build !restart_portable

package restart

// What the channel can do here: a frame that was cut off shows, and the kernel
// tells which process has made the channel.
const (
	cutOffShows = true
	makerIsTold = true
)
