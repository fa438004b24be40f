package main

import (
	"slices"
	"sync"
)

// remembered is how many messages a user may be behind.
const remembered = 10_000

// A history has what was said, numbered from 1 on, in one order for all users.
//
// While a restart is under way there are two processes, and each hears its own
// users only. The predecessor goes first: what is said here waits until it has
// left its last messages. So a number means the same message in both, and a user
// who moves needs to bring along nothing but the number of the last one.
type history struct {
	complete chan struct{} // closed when no predecessor can add any more

	mu        sync.Mutex
	forgotten int // how many came before messages
	messages  []string
	waiting   []string      // said before the history was complete
	grown     chan struct{} // closed when there are more messages
}

func newHistory() *history {
	return &history{complete: make(chan struct{}), grown: make(chan struct{})}
}

// say adds what a user of this process has said.
func (h *history) say(text string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if !h.isComplete() {
		h.waiting = append(h.waiting, text)
		return
	}
	h.add(text)
}

// finish adds the last messages of the predecessor, and then those that wait. It
// does nothing the second time.
func (h *history) finish(last ...string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.isComplete() {
		return
	}
	close(h.complete)
	h.add(last...)
	h.add(h.waiting...)
	h.waiting = nil
}

func (h *history) isComplete() bool {
	select {
	case <-h.complete:
		return true
	default:
		return false
	}
}

func (h *history) add(texts ...string) {
	h.messages = append(h.messages, texts...)
	if n := len(h.messages); n > 2*remembered {
		h.forgotten += n - remembered
		h.messages = slices.Clone(h.messages[n-remembered:])
	}
	close(h.grown)
	h.grown = make(chan struct{})
}

// last returns the number of the last message.
func (h *history) last() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.forgotten + len(h.messages)
}

// after returns the messages after number n and the number of the first of them,
// and a channel that is closed when there are more.
func (h *history) after(n int) (first int, texts []string, more <-chan struct{}) {
	h.mu.Lock()
	defer h.mu.Unlock()
	i := max(n-h.forgotten, 0)
	if i > len(h.messages) {
		// A user who has come here before the predecessor's last messages has
		// read some of them there. If they never came, because it was killed, the
		// numbers are used anew.
		if !h.isComplete() {
			return n + 1, nil, h.grown
		}
		i = len(h.messages)
	}
	return h.forgotten + i + 1, slices.Clone(h.messages[i:]), h.grown
}
