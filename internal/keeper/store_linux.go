//go:build !restart_portable

package keeper

import (
	"os"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// A store is what the program has given into keeping, see FDSTORE in
// sd_notify(3).
type store []stored

type stored struct {
	Name string
	FD   int // ours; never touched but to pass it on
}

// maxStored bounds the store.
const maxStored = 1024

// keep takes descriptors into the store. One of a file that is in it changes
// nothing.
func (k *keeper) keep(name string, fds []int) {
	if name == "" || strings.ContainsAny(name, ":\n") {
		name = "stored" // as systemd says
	}
	for _, fd := range fds {
		switch {
		case k.Store.has(fd):
			unix.Close(fd)
		case len(k.Store) >= maxStored:
			k.log.Error("restart-keeper: a descriptor is not kept, there are too many", "name", name, "limit", maxStored)
			unix.Close(fd)
		default:
			k.Store = append(k.Store, stored{name, fd})
		}
	}
}

func (s store) has(fd int) bool {
	var st, other unix.Stat_t
	if unix.Fstat(fd, &st) != nil {
		return false
	}
	return slices.ContainsFunc(s, func(e stored) bool {
		return unix.Fstat(e.FD, &other) == nil && st.Dev == other.Dev && st.Ino == other.Ino
	})
}

func (s *store) remove(name string) {
	*s = slices.DeleteFunc(*s, func(e stored) bool {
		if e.Name == name {
			unix.Close(e.FD)
		}
		return e.Name == name
	})
}

// inherit takes the sockets that a manager has opened for us.
func (s *store) inherit() {
	n, err := strconv.Atoi(os.Getenv("LISTEN_FDS"))
	if err != nil || os.Getenv("LISTEN_PID") != strconv.Itoa(os.Getpid()) {
		return
	}
	names := strings.Split(os.Getenv("LISTEN_FDNAMES"), ":")
	for i := range n {
		name := "unknown"
		if i < len(names) && names[i] != "" {
			name = names[i]
		}
		unix.CloseOnExec(3 + i)
		*s = append(*s, stored{name, 3 + i})
	}
}

func (s store) names() []string {
	names := []string{}
	for _, e := range s {
		names = append(names, e.Name)
	}
	return names
}

// environ says to the program what it gets. LISTEN_PID is missing: the process
// does not exist yet.
func (s store) environ() []string {
	return []string{"LISTEN_FDS=" + strconv.Itoa(len(s)), "LISTEN_FDNAMES=" + strings.Join(s.names(), ":")}
}

func closeAll(fds []int) {
	for _, fd := range fds {
		unix.Close(fd)
	}
}
