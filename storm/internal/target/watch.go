// Package target is the server under test: how it is started, found, restarted, watched and stopped.
package target

import (
	"net/netip"
	"os"
	"sync"
	"time"

	"example.com/restart/storm/internal/proc"
)

// Watcher learns from /proc which processes serve an address: those that hold its listening socket, or held it once.
type Watcher struct {
	addr netip.AddrPort
	self int

	mu      sync.Mutex
	seen    map[proc.ID]int // ever a holder; the value is the order in which it came
	holders []proc.ID       // of the last scan, oldest first
	newest  proc.ID
	// strangers are processes that held no such socket when last looked at, with the time of that look: most of /proc,
	// which would cost too much to read through each time.
	strangers map[int]stranger
}

type stranger struct {
	start  uint64
	looked time.Time
}

// A process gets the socket when it is born or soon after, so old strangers are looked at less often.
const strangerPause = time.Second

// NewWatcher watches an address.
func NewWatcher(addr netip.AddrPort) *Watcher {
	return &Watcher{addr: addr, self: os.Getpid(), seen: map[proc.ID]int{}, strangers: map[int]stranger{}}
}

// Scan looks who holds the socket now, and returns those never seen before. That an old holder is back is no news:
// two processes that accept in turn are not a restart.
func (w *Watcher) Scan(now time.Time) (fresh []proc.ID, err error) {
	inodes, err := proc.Listeners(w.addr)
	if err != nil {
		return nil, err
	}
	pids, err := proc.All()
	if err != nil {
		return nil, err
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.holders = w.holders[:0]
	for _, pid := range pids {
		if pid == w.self {
			continue
		}
		st, err := proc.Stat(pid)
		if err != nil || st.Zombie {
			continue
		}
		_, known := w.seen[st.ID]
		if s, ok := w.strangers[pid]; ok && !known && s.start == st.Start && now.Sub(s.looked) < strangerPause && w.old(st) {
			continue
		}
		if !proc.Holds(pid, inodes) {
			w.strangers[pid] = stranger{st.Start, now}
			continue
		}
		delete(w.strangers, pid)
		w.holders = append(w.holders, st.ID)
		if !known {
			w.seen[st.ID] = len(w.seen)
			w.newest = st.ID
			fresh = append(fresh, st.ID)
		}
	}
	return fresh, nil
}

// old reports whether a stranger was there before the first holder: what is younger may be a successor that is about to
// get its socket.
func (w *Watcher) old(st proc.Status) bool {
	for id := range w.seen {
		if st.Start < id.Start {
			return true
		}
	}
	return false
}

// Holders returns who held the socket at the last scan.
func (w *Watcher) Holders() []proc.ID {
	w.mu.Lock()
	defer w.mu.Unlock()
	return append([]proc.ID(nil), w.holders...)
}

// Newest returns the process that got the socket last.
func (w *Watcher) Newest() proc.ID {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.newest
}

// Seen reports whether a PID ever held the socket.
func (w *Watcher) Seen(pid int) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	for id := range w.seen {
		if id.PID == pid {
			return true
		}
	}
	return false
}

// Living returns the processes that hold the socket or held it once and still run, in the order in which they came.
func (w *Watcher) Living() []proc.ID {
	w.mu.Lock()
	all := make([]proc.ID, len(w.seen))
	for id, n := range w.seen {
		all[n] = id
	}
	w.mu.Unlock()
	living := all[:0]
	for _, id := range all {
		if id.Alive() {
			living = append(living, id)
		}
	}
	return living
}

// Server returns who has the server's end of a connection: among those that hold or held the listening socket, 0 if it
// cannot be told.
func (w *Watcher) Server(client, server netip.AddrPort) int {
	inode, err := proc.ServerEnd(client, server)
	if err != nil || inode == 0 {
		return 0
	}
	want := map[uint64]bool{inode: true}
	for _, id := range w.Living() {
		if proc.Holds(id.PID, want) {
			return id.PID
		}
	}
	return 0
}
