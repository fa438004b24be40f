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
	seen    map[proc.ID]sighting // ever a holder
	maybe   map[proc.ID]time.Time
	holders []proc.ID // of the last scan
	// strangers are processes that held no such socket when last looked at, with the time of that look: most of /proc,
	// which would cost too much to read through each time.
	strangers map[int]stranger
}

type stranger struct {
	start  uint64
	looked time.Time
}

// sighting is when a holder was first seen, and the order in which it came.
type sighting struct {
	order int
	at    time.Time
}

// confirm is for how long a process must hold the socket before it counts: between fork and exec each child holds all that
// its parent has, be it only a helper that checks a configuration.
const confirm = 20 * time.Millisecond

// A process gets the socket when it is born or soon after, so old strangers are looked at less often.
const strangerPause = time.Second

// NewWatcher watches an address.
func NewWatcher(addr netip.AddrPort) *Watcher {
	return &Watcher{addr: addr, self: os.Getpid(), seen: map[proc.ID]sighting{}, maybe: map[proc.ID]time.Time{}, strangers: map[int]stranger{}}
}

// Scan looks who holds the socket now. Whom it saw before is no news when it is back: two processes that accept in turn are
// not a restart. The holders of the first scan count at once, later ones when they have held it for a moment.
func (w *Watcher) Scan() error {
	inodes, err := proc.Listeners(w.addr)
	if err != nil {
		return err
	}
	pids, err := proc.All()
	if err != nil {
		return err
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	now := time.Now()
	first := len(w.seen) == 0
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
			delete(w.maybe, st.ID) // it was a passing child
			continue
		}
		delete(w.strangers, pid)
		if !known {
			at, waiting := w.maybe[st.ID]
			if !waiting {
				w.maybe[st.ID], at = now, now
			}
			if !first && now.Sub(at) < confirm {
				continue
			}
			w.admitLocked(st.ID, at)
		}
		w.holders = append(w.holders, st.ID)
	}
	return nil
}

func (w *Watcher) admitLocked(id proc.ID, at time.Time) {
	w.seen[id] = sighting{len(w.seen), at}
	delete(w.maybe, id)
}

// Answered tells that a process has answered a request: one that holds the socket is then no passing child. It reports
// whether the process serves the address at all; a proxy passes on what somebody behind it says.
func (w *Watcher) Answered(pid int) bool {
	if w.Seen(pid) {
		return true
	}
	if err := w.Scan(); err != nil {
		return false
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	for id, at := range w.maybe {
		if id.PID == pid {
			w.admitLocked(id, at)
			w.holders = append(w.holders, id)
		}
	}
	for id := range w.seen {
		if id.PID == pid {
			return true
		}
	}
	return false
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

// Newest returns the process that got the socket last and still runs, the zero ID if none does.
func (w *Watcher) Newest() proc.ID {
	living := w.Living()
	if len(living) == 0 {
		return proc.ID{}
	}
	return living[len(living)-1]
}

// Find returns the holder with a PID, and when it was first seen to hold the socket; of two, the later.
func (w *Watcher) Find(pid int) (found proc.ID, at time.Time) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for id, s := range w.seen {
		if id.PID == pid && !s.at.Before(at) {
			found, at = id, s.at
		}
	}
	return found, at
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
	for id, s := range w.seen {
		all[s.order] = id
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
