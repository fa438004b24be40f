// Package target starts, finds, watches and stops the server under test.
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

// Watcher learns from /proc which processes serve an address: those that hold its listening socket, or once held it. Each
// look takes CPU time from the server under test, so a Watcher avoids to look at the same process again.
type Watcher struct {
	addr netip.AddrPort
	self int

	mu     sync.Mutex
	seen   map[proc.ID]bool      // processes that hold or held the socket
	oldest uint64                // earliest start of those
	living []proc.ID             // those that ran at the last look, in the order in which they were admitted
	maybe  map[proc.ID]time.Time // processes that may be passing children, and when they were first found
	// strangers are processes that do not hold the socket, which are most of /proc, and when to look at them again.
	strangers map[int]time.Time
}

// confirm is how long a process must hold the socket before it counts. Between fork and exec every child holds all files of
// its parent, even a helper that only checks a configuration.
const confirm = 20 * time.Millisecond

// strangerPause is the least pause between two looks at a process that is older than the server. Such a process hardly ever
// gets the socket. The pause is random up to twice as long, so that the looks are spread.
const strangerPause = time.Second

// NewWatcher watches an address.
func NewWatcher(addr netip.AddrPort) *Watcher {
	return &Watcher{
		addr: addr, self: os.Getpid(),
		seen: map[proc.ID]bool{}, maybe: map[proc.ID]time.Time{}, strangers: map[int]time.Time{},
	}
}

// Scan looks for new processes that hold the socket. The holders found by the first scan count at once; later ones count
// when they have held the socket for a moment.
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
			delete(w.maybe, st.ID) // a passing child
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

// unknownLocked returns the processes that may have got the socket since the last look.
func (w *Watcher) unknownLocked(pids []int, now time.Time) (unknown []proc.Status) {
	w.dropEndedLocked()
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

// dropEndedLocked removes from living the processes that have ended.
func (w *Watcher) dropEndedLocked() {
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

// Answered says that an answer named a process. If the process holds the socket, it counts at once: it is no passing child.
// Answered reports whether the process serves the address. A proxy passes on answers of processes that do not.
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

// Newest returns the process that got the socket last and still runs; the zero ID if there is none.
func (w *Watcher) Newest() proc.ID {
	living := w.Living()
	if len(living) == 0 {
		return proc.ID{}
	}
	return living[len(living)-1]
}

// Seen reports whether a process holds or held the socket.
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

// Living returns the processes that hold or held the socket and still run, in the order in which they got it.
func (w *Watcher) Living() []proc.ID {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.dropEndedLocked()
	return slices.Clone(w.living)
}

// Server returns the process that has the server's end of a connection, 0 if none of those that serve has it.
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
