package main

import (
	"slices"
	"strconv"
	"testing"
)

func check(t *testing.T, h *history, n, wantFirst int, want ...string) {
	t.Helper()
	if first, texts, _ := h.after(n); first != wantFirst || !slices.Equal(texts, want) {
		t.Errorf("after %d: got %q from %d on, want %q from %d on", n, texts, first, want, wantFirst)
	}
}

// What is said in the successor comes after all that was said in the predecessor.
func TestPredecessorGoesFirst(t *testing.T) {
	h := newHistory()
	h.messages = []string{"a", "b"}
	h.say("y")
	check(t, h, 1, 2, "b")
	check(t, h, 3, 4) // a user who has read c in the predecessor
	_, _, more := h.after(2)
	h.finish("c", "d")
	<-more
	h.finish("again")
	h.say("z")
	check(t, h, 0, 1, "a", "b", "c", "d", "y", "z")
	check(t, h, 3, 4, "d", "y", "z")
}

// A predecessor that was killed has left nothing since State.
func TestPredecessorLeavesNothing(t *testing.T) {
	h := newHistory()
	h.messages = []string{"a"}
	h.say("y")
	check(t, h, 9, 10)
	h.finish()
	check(t, h, 1, 2, "y")
	check(t, h, 9, 3) // read more there than ever came here
}

func TestHistoryForgets(t *testing.T) {
	h := newHistory()
	h.finish()
	for n := range 2*remembered + 1 {
		h.say(strconv.Itoa(n + 1))
	}
	first, texts, _ := h.after(0)
	if first != remembered+2 || len(texts) != remembered || texts[0] != strconv.Itoa(first) || h.last() != 2*remembered+1 {
		t.Errorf("got %d messages from %d on, the first being %s; %d in all", len(texts), first, texts[0], h.last())
	}
}
