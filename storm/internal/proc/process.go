package proc

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
)

// ID identifies a process for ever. A PID alone may be used again.
type ID struct {
	PID   int
	Start uint64 // in ticks since boot
}

// Status is the part of /proc/PID/stat that storm needs.
type Status struct {
	ID
	Parent  int
	Session int
	Zombie  bool
	RSS     int64 // bytes
}

var errStat = errors.New("storm: malformed /proc/PID/stat")

// parseStat parses /proc/PID/stat. The name of the program is in parentheses and may contain any character, including
// parentheses.
func parseStat(b []byte) (Status, error) {
	open, end := bytes.IndexByte(b, '('), bytes.LastIndexByte(b, ')')
	if open < 1 || end < open {
		return Status{}, errStat
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(b[:open])))
	if err != nil {
		return Status{}, errStat
	}
	f := strings.Fields(string(b[end+1:])) // f[0] is field 3, the state
	if len(f) < 22 {
		return Status{}, errStat
	}
	parent, err1 := strconv.Atoi(f[1])
	session, err2 := strconv.Atoi(f[3])
	start, err3 := strconv.ParseUint(f[19], 10, 64)
	pages, err4 := strconv.ParseInt(f[21], 10, 64)
	if err := errors.Join(err1, err2, err3, err4); err != nil {
		return Status{}, errStat
	}
	return Status{
		ID:      ID{pid, start},
		Parent:  parent,
		Session: session,
		Zombie:  f[0] == "Z" || f[0] == "X",
		RSS:     pages * int64(os.Getpagesize()),
	}, nil
}

// Stat returns the status of a process.
func Stat(pid int) (Status, error) {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return Status{}, fmt.Errorf("storm: %w", err)
	}
	return parseStat(b)
}

// Alive reports whether the process still runs. A zombie does not.
func (id ID) Alive() bool {
	s, err := Stat(id.PID)
	return err == nil && s.ID == id && !s.Zombie
}

// All returns the PIDs of all processes that /proc shows.
func All() ([]int, error) {
	d, err := os.Open("/proc")
	if err != nil {
		return nil, fmt.Errorf("storm: %w", err)
	}
	defer d.Close()
	names, err := d.Readdirnames(-1)
	if err != nil {
		return nil, fmt.Errorf("storm: %w", err)
	}
	var pids []int
	for _, n := range names {
		if pid, err := strconv.Atoi(n); err == nil {
			pids = append(pids, pid)
		}
	}
	return pids, nil
}

// OpenFiles counts the open files of a process.
func OpenFiles(pid int) (int, error) {
	names, err := fdNames(pid)
	return len(names), err
}

func fdNames(pid int) ([]string, error) {
	d, err := os.Open(fmt.Sprintf("/proc/%d/fd", pid))
	if err != nil {
		return nil, err
	}
	defer d.Close()
	return d.Readdirnames(-1)
}

// SocketsOf calls yield with the inode of each socket that a process holds, until yield returns false. A process that ends
// meanwhile, or whose files may not be read, holds none.
func SocketsOf(pid int, yield func(inode uint64) bool) {
	names, err := fdNames(pid)
	if err != nil {
		return
	}
	dir := fmt.Sprintf("/proc/%d/fd/", pid)
	for _, n := range names {
		link, err := os.Readlink(dir + n)
		if err != nil {
			continue
		}
		if inode, ok := parseSocketLink(link); ok && !yield(inode) {
			return
		}
	}
}

// parseSocketLink parses "socket:[12345]".
func parseSocketLink(link string) (uint64, bool) {
	s, ok := strings.CutPrefix(link, "socket:[")
	if !ok {
		return 0, false
	}
	if s, ok = strings.CutSuffix(s, "]"); !ok {
		return 0, false
	}
	inode, err := strconv.ParseUint(s, 10, 64)
	return inode, err == nil
}

// Holds reports whether a process holds one of the sockets.
func Holds(pid int, inodes map[uint64]bool) (holds bool) {
	SocketsOf(pid, func(inode uint64) bool {
		holds = inodes[inode]
		return !holds
	})
	return holds
}
