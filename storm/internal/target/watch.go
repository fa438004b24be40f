// Package target is the server under test: how it is started, found, restarted, watched and stopped.
package target

import (
	"math/rand/v2"
	"net/netip"
	"os"
	"slices"
	"sync"
	"time"

	"example.com/restart/storm/internal/proc"
)

// Watcher learns from /proc which processes serve an address: those that hold its listening socket, or held it once. What
// looking costs is missing to the server, so it looks at nothing twice that it need not.
type Watcher struct {
	addr netip.AddrPort
	self int

	mu     sync.Mutex
	seen   map[proc.ID]bool // ever a holder
	oldest uint64           // when the first of them was started
	living []proc.ID        // those of them that still ran at the last look, in the order in which they came
	maybe  map[proc.ID]time.Time
	// strangers are processes that hold no such socket, and when to look at them again: most of /proc.
	strangers map[int]time.Time
}

// confirm is for how long a process must hold the socket before it counts: between fork and exec each child holds all that
// its parent has, be it only a helper that checks a configuration.
const confirm = 20 * time.Millisecond

// A process gets the socket when it is born or soon after, so those that are older than the server are looked at less
// often: after one to two times strangerPause, so that not all have their turn at once.
const strangerPause = time.Second

// NewWatcher watches an address.
func NewWatcher(addr netip.AddrPort) *Watcher {
	return &Watcher{
		addr: addr, self: os.Getpid(),
		seen: map[proc.ID]bool{}, maybe: map[proc.ID]time.Time{}, strangers: map[int]time.Time{},
	}
}

// Scan looks whether somebody new holds the socket. Whom it saw before is no news when it is back: two processes that
// accept in turn are not a restart. The holders of the first scan count at once, later ones when they have held it for a
// moment.
func (w *Watcher) Scan() error {
	pids, err := proc.All()
	if err != nil {
		return err
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	now := time.Now()
	unknown := w.unknownLocked(pids, now)
	if len(unknown) == 0 {
		return nil
	}
	inodes, err := proc.Listeners(w.addr)
	if err != nil {
		return err
	}
	first := len(w.seen) == 0
	for _, st := range unknown {
		if !proc.Holds(st.PID, inodes) {
			delete(w.maybe, st.ID) // it was a passing child
			if st.Start < w.oldest {
				w.strangers[st.PID] = now.Add(strangerPause + rand.N(strangerPause))
			}
			continue
		}
		since, waiting := w.maybe[st.ID]
		if !waiting {
			w.maybe[st.ID], since = now, now
		}
		if first || now.Sub(since) >= confirm {
			w.admitLocked(st.ID)
		}
	}
	return nil
}

// unknownLocked returns those of pids of which it is not known whether they hold the socket.
func (w *Watcher) unknownLocked(pids []int, now time.Time) (unknown []proc.Status) {
	w.buryLocked()
	for _, pid := range pids {
		if pid == w.self || now.Before(w.strangers[pid]) || slices.ContainsFunc(w.living, func(id proc.ID) bool { return id.PID == pid }) {
			continue
		}
		if st, err := proc.Stat(pid); err == nil && !st.Zombie && !w.seen[st.ID] {
			unknown = append(unknown, st)
		}
	}
	return unknown
}

// buryLocked forgets of the living those that have ended.
func (w *Watcher) buryLocked() {
	w.living = slices.DeleteFunc(w.living, func(id proc.ID) bool { return !id.Alive() })
}

func (w *Watcher) admitLocked(id proc.ID) {
	if len(w.seen) == 0 || id.Start < w.oldest {
		w.oldest = id.Start
	}
	w.seen[id] = true
	w.living = append(w.living, id)
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
	for id := range w.maybe {
		if id.PID == pid {
			w.admitLocked(id)
		}
	}
	for id := range w.seen {
		if id.PID == pid {
			return true
		}
	}
	return false
}

// Newest returns the process that got the socket last and still runs, the zero ID if none does.
func (w *Watcher) Newest() proc.ID {
	living := w.Living()
	if len(living) == 0 {
		return proc.ID{}
	}
	return living[len(living)-1]
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
	defer w.mu.Unlock()
	w.buryLocked()
	return slices.Clone(w.living)
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
