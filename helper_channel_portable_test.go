//go:build darwin || dragonfly || freebsd || netbsd || openbsd || (linux && restart_portable)

package restart

// What the channel cannot do here: on a stream the rest of a frame may be yet to
// come, and not every kernel tells which process has made the channel.
const (
	cutOffShows = false
	makerIsTold = false
)
