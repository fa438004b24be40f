package storm

import (
	"bytes"
	"strconv"
	"sync"
	"time"
)

// answers records which processes have answered, and when each of them did so last.
type answers struct {
	mu       sync.Mutex
	last     map[int]time.Time
	rejected map[int]bool // PIDs named by answers that do not serve the address, such as the server behind a proxy
	named    bool         // the answers of the load name the process that gives them
}

func newAnswers() *answers {
	return &answers{last: map[int]time.Time{}, rejected: map[int]bool{}}
}

func (a *answers) record(pid int, at time.Time) {
	a.mu.Lock()
	a.last[pid] = at
	a.mu.Unlock()
}

func (a *answers) answered(pid int) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return !a.last[pid].IsZero()
}

// newcomer returns a process that has answered since then and is not known, and when it did; 0 if there is none.
func (a *answers) newcomer(since time.Time, known map[int]bool) (pid int, at time.Time) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for pid, at := range a.last {
		if !known[pid] && !at.Before(since) {
			return pid, at
		}
	}
	return 0, at
}

// identified reports whether the load's answers name the process that gives them, so that probes are hardly needed.
func (a *answers) identified() bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.named
}

// learn records the process that an answer on a new connection names. serves reports whether a process serves the address;
// learn asks it once for each process.
func (a *answers) learn(body []byte, serves func(pid int) bool) {
	pid := pidIn(body)
	if pid == 0 {
		return
	}
	now := time.Now()
	a.mu.Lock()
	if a.rejected[pid] {
		a.mu.Unlock()
		return
	}
	known := !a.last[pid].IsZero()
	a.rejected[pid] = !known // by other answers, while this one asks
	a.mu.Unlock()
	believed := known || serves(pid)
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.rejected[pid] = !believed; believed {
		a.named, a.last[pid] = true, now
	}
}

// pidIn finds pid=123 in an answer. That is cheaper than to search /proc for the server's end of the connection.
func pidIn(body []byte) int {
	for {
		_, rest, ok := bytes.Cut(body, []byte("pid="))
		if !ok {
			return 0
		}
		n := 0
		for n < len(rest) && n < 10 && rest[n] >= '0' && rest[n] <= '9' {
			n++
		}
		if pid, err := strconv.Atoi(string(rest[:n])); err == nil && pid > 0 {
			return pid
		}
		body = rest
	}
}
