package storm

import (
	"testing"
	"time"
)

func TestPIDIn(t *testing.T) {
	for body, want := range map[string]int{
		"":                         0,
		"hello pid=123\n":          123,
		"pid=":                     0,
		"pid=x pid=7":              7,
		"pid=0":                    0,
		"pid=-1":                   0,
		"pid=99999999999999999999": 9999999999, // ten digits at most; nobody has that PID
		"version=pid=1 and more":   1,
		"<html>502 Bad Gateway":    0,
		"pid=12pid=13":             12,
	} {
		if got := pidIn([]byte(body)); got != want {
			t.Errorf("%q: got %d, want %d", body, got, want)
		}
	}
}

func TestLearn(t *testing.T) {
	a := newAnswers()
	asked := map[int]int{}
	serves := func(pid int) bool { asked[pid]++; return pid != 9 }

	a.learn([]byte("pid=9"), serves) // a proxy passes on the answer of another process
	a.learn([]byte("hello"), serves)
	if a.identified() || a.answered(9) {
		t.Error("a process that serves nothing is believed")
	}
	before := time.Now()
	a.learn([]byte("pid=1"), serves)
	if !a.identified() || !a.answered(1) {
		t.Error("a process that serves is not believed")
	}
	between := time.Now()
	for range 2 {
		a.learn([]byte("pid=1"), serves)
		a.learn([]byte("pid=9"), serves)
	}
	if asked[1] != 1 || asked[9] != 1 {
		t.Errorf("asked %v times by PID, want once each: it takes a look through /proc", asked)
	}

	if pid, at := a.newcomer(before, nil); pid != 1 || at.Before(between) {
		t.Errorf("got %d at %v, want 1, and its last answer", pid, at)
	}
	if pid, _ := a.newcomer(before, map[int]bool{1: true}); pid != 0 {
		t.Errorf("got %d as a newcomer, but it is known", pid)
	}
	if pid, _ := a.newcomer(time.Now(), nil); pid != 0 {
		t.Errorf("got %d, which answered before", pid)
	}
}

// A look through /proc takes long on a busy machine. Meanwhile a hundred answers may name the same process.
func TestLearnAsksOnceAtATime(t *testing.T) {
	a := newAnswers()
	asked := 0
	a.learn([]byte("pid=1"), func(int) bool {
		asked++
		a.learn([]byte("pid=1"), func(int) bool { asked++; return false })
		return true
	})
	if asked != 1 || !a.answered(1) {
		t.Errorf("asked %d times, answered %v; want once, and true", asked, a.answered(1))
	}
}
