//go:build unix

package control

import (
	"fmt"
	"os"
	"os/user"
	"strconv"
	"syscall"
)

// ownerOf says to whom a file belongs.
func ownerOf(path string) string {
	fi, err := os.Stat(path)
	if err != nil {
		return " or a directory above it"
	}
	st, ok := fi.Sys().(*syscall.Stat_t)
	if !ok {
		return ""
	}
	uid := strconv.Itoa(int(st.Uid))
	if u, err := user.LookupId(uid); err == nil {
		return fmt.Sprintf(" belongs to %s", u.Username)
	}
	return fmt.Sprintf(" belongs to user %s", uid)
}
