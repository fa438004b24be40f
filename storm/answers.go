package storm

import (
	"bytes"
	"strconv"
	"sync"
	"time"
)

// answers knows which processes have answered, and when last.
type answers struct {
	mu      sync.Mutex
	last    map[int]time.Time
	strange map[int]bool // said to answer, but do not serve the address: behind a proxy, say
	told    bool         // the load's answers say who gives them
}

func newAnswers() *answers {
	return &answers{last: map[int]time.Time{}, strange: map[int]bool{}}
}

func (a *answers) saw(pid int, at time.Time) {
	a.mu.Lock()
	a.last[pid] = at
	a.mu.Unlock()
}

func (a *answers) answered(pid int) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return !a.last[pid].IsZero()
}

// news returns who has answered since then that is not known, and when; 0 if nobody has.
func (a *answers) news(since time.Time, known map[int]bool) (pid int, at time.Time) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for pid, at := range a.last {
		if !known[pid] && !at.Before(since) {
			return pid, at
		}
	}
	return 0, at
}

// tell reports whether the load's answers say who gives them, so that probes need not ask.
func (a *answers) tell() bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.told
}

// overhear learns from an answer that the load got on a new connection who gave it. serves reports whether a process
// serves the address, and is asked once of each.
func (a *answers) overhear(body []byte, serves func(pid int) bool) {
	pid := pidIn(body)
	if pid == 0 {
		return
	}
	now := time.Now()
	a.mu.Lock()
	strange, known := a.strange[pid], !a.last[pid].IsZero()
	a.mu.Unlock()
	if strange {
		return
	}
	believed := known || serves(pid)
	a.mu.Lock()
	defer a.mu.Unlock()
	if !believed {
		a.strange[pid] = true
		return
	}
	a.told, a.last[pid] = true, now
}

// pidIn finds pid=123 in an answer, which is cheaper than to look through /proc for the server's end of the connection.
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
