//go:build linux

package faulttest

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"example.com/restart"
	"example.com/restart/internal/proctest"
)

// resources are what a process holds when it does nothing.
type resources struct {
	files      []string
	goroutines int
}

// measure returns what a process holds. Connections that were answered a moment ago
// may still be counted, so it is the least of several times. Were they counted each
// time, checkProcess would only be content with more.
func (s *scene) measure(pid int) resources {
	s.t.Helper()
	least := resources{goroutines: 1 << 20}
	for range 10 {
		st := s.status()
		if st.PID != pid {
			s.t.Fatalf("process %d answers, want %d", st.PID, pid)
		}
		time.Sleep(time.Millisecond)
		if files := proctest.FilesOf(pid); least.files == nil || len(files) < len(least.files) {
			least.files = files
		}
		least.goroutines = min(least.goroutines, st.Goroutines)
	}
	return least
}

// checkAfter checks all that must be so after the fault, whatever it was.
func (s *scene) checkAfter(o outcome) {
	s.t.Helper()
	s.checkOutcome(o)
	if s.row.serves != nobodyServes {
		s.load.goesOn()
	}
	s.load.finish()
	s.checkLosses()
	serving := 0
	if s.row.serves != nobodyServes {
		serving = s.checkWhoServes()
	}
	s.othersEnd(serving)
	s.checkLog()
	if serving == 0 {
		s.WaitEnd()
		s.checkFiles(0, 0)
		s.withdraw()
		s.start("server") // finds whatever was left
		s.load.reconnectAll()
		serving = s.who()
	}
	if s.row.newIsPlayed() {
		s.Signal(serving, syscall.SIGKILL)
		s.WaitEnd()
		s.removeDead()
		s.withdraw()
		s.start("server")
		s.load.reconnectAll()
		serving = s.who()
	}
	s.checkConnections(serving)
	now := s.before
	now.goroutines += s.row.stuck
	if s.row.manyLive {
		now = resources{}
	}
	s.checkProcess(serving, now)
	s.withdraw()
	s.checkNext(serving)
}

// checkLog checks that a process has logged what operators are to look for. What it
// has written may not have been read yet.
func (s *scene) checkLog() {
	s.t.Helper()
	if s.row.logs == "" {
		return
	}
	proctest.Poll(s.t, "the log has been read", func() error {
		if s.Count(s.row.logs) == 0 {
			return fmt.Errorf("nobody has logged %q", s.row.logs)
		}
		return nil
	})
}

// othersEnd waits until no other process of the program is left.
func (s *scene) othersEnd(serving int) {
	s.t.Helper()
	for _, pid := range s.PIDs() {
		if pid != serving && (pid != s.keeper || serving == 0) {
			s.WaitExit(pid)
		}
	}
}

// checkOutcome checks what whoever asked for the restart was told.
func (s *scene) checkOutcome(o outcome) {
	s.t.Helper()
	r := s.row
	switch {
	case r.says == "" && r.askerMayGo && o.Text == "":
		return
	case r.says == "":
		if !o.OK {
			s.t.Errorf("Restart: got the error %q, want none", o.Text)
		}
		return
	}
	if o.OK || !inOrder(o.Text, r.says) {
		s.t.Errorf("Restart: got the error %q, want %q", o.Text, r.says)
	}
	if want := r.wantPhase(); o.Phase != want {
		s.t.Errorf("Restart: got the phase %q, want %q", o.Phase, want)
	}
	if r.is != nil && !slices.ContainsFunc(o.Is, func(name string) bool { return classes[name] == r.is }) {
		s.t.Errorf("Restart: got an error that is %v, want %v", o.Is, r.is)
	}
}

// inOrder reports whether text has the words of a pattern, where dots stand for
// any others.
func inOrder(text, pattern string) bool {
	for words := range strings.SplitSeq(pattern, "…") {
		_, rest, ok := strings.Cut(text, words)
		if !ok {
			return false
		}
		text = rest
	}
	return true
}

// checkLosses checks that nothing was lost but what a dead process had.
func (s *scene) checkLosses() {
	s.t.Helper()
	r := s.row
	for _, l := range s.load.lost {
		switch {
		case r.serves == nobodyServes && l.kind != "slow":
		case r.loses == untilBound:
		case r.loses == oldsOwn && !l.refused():
		case r.loses == newsOwn && !l.refused() && l.kind != "slow" && l.kind != "silent":
		case r.loses == slowOnes && l.kind == "slow":
		case r.loses == idleOnes && l.kind == "silent":
		default:
			s.t.Errorf("lost: %v", l)
		}
	}
	if r.loses == nothing && r.serves != nobodyServes && len(s.load.told) > 0 {
		s.t.Errorf("%d connections were told to close, want them to live", len(s.load.told))
	}
}

// checkWhoServes checks that one process answers, and the right one.
func (s *scene) checkWhoServes() int {
	s.t.Helper()
	pids := make(map[int]bool)
	for range 5 {
		pids[s.who()] = true
	}
	if len(pids) != 1 {
		s.t.Fatalf("processes %v answer, want one", pids)
	}
	serving := s.who()
	if old := serving == s.old; old != (s.row.serves == oldServes) {
		s.t.Errorf("process %d serves, and %d was to be replaced: want %v", serving, s.old, s.row.serves)
	}
	return serving
}

// checkConnections checks that every connection that lives long has come to the
// process that serves.
func (s *scene) checkConnections(serving int) {
	s.t.Helper()
	if s.row.loses != nothing {
		s.load.prune()
	}
	alive := s.load.reconnect()
	if all := len(s.load.all()); s.row.loses == nothing && s.row.serves != nobodyServes && alive != all {
		s.t.Errorf("%d of %d connections live", alive, all)
	}
	for i, c := range s.load.all() {
		if pid, closes, err := c.who(); err != nil || pid != serving || closes {
			s.t.Errorf("connection %d: got process %d, %v, closes %v; want process %d", i, pid, err, closes, serving)
		}
	}
}

// checkProcess checks what the process that serves has: its files, and no more
// resources than before. No resources mean any.
func (s *scene) checkProcess(pid int, before resources) {
	s.t.Helper()
	proctest.Poll(s.t, "nothing is left of the restart", func() error {
		st, err := decode[status](once("tcp", s.config.Web, "/status"))
		if err != nil {
			return err
		}
		files := proctest.FilesOf(pid)
		if before.files != nil && (len(files) > len(before.files) || st.Goroutines > before.goroutines) {
			return fmt.Errorf("%d descriptors and %d goroutines, %d and %d before; open: %q, before: %q",
				len(files), st.Goroutines, len(before.files), before.goroutines, files, before.files)
		}
		return childless(pid)
	})
	s.checkFiles(pid, s.status().Generation)
}

// childless returns an error if a process has children, living or dead.
func childless(pid int) error {
	lists, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", pid))
	if err != nil {
		return err
	}
	for _, list := range lists {
		if b, err := os.ReadFile(list); err == nil && len(b) > 0 {
			return fmt.Errorf("process %d has the children %s", pid, b)
		}
	}
	return nil
}

// checkFiles checks the files that the generation which serves needs, and that
// there are no others; 0: no process is left.
func (s *scene) checkFiles(pid, generation int) {
	s.t.Helper()
	if s.row.leavesFiles || s.row.step == atService {
		// Of a process that died after it had bound a Unix socket. The next that
		// binds it replaces the file.
		s.removeDead()
	}
	if pid == 0 && s.row.leavesFiles {
		return
	}
	var want []string
	if pid != 0 {
		want = []string{pidFile(s.dir), freshSocket(s.dir, generation), sideSocket(s.dir)}
		if b, err := os.ReadFile(pidFile(s.dir)); err != nil || strings.TrimSpace(string(b)) != strconv.Itoa(pid) {
			s.t.Errorf("PID file: got %q, %v; want %d", b, err, pid)
		}
	}
	if s.row.played && pid == s.old {
		want = []string{pidFile(s.dir), sideSocket(s.dir)}
	}
	got, err := filepath.Glob(s.file("run/*"))
	if err != nil {
		s.t.Fatal(err)
	}
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) {
		s.t.Errorf("files: got %q, want %q", got, want)
	}
}

// removeDead removes the files of sockets on which nobody answers.
func (s *scene) removeDead() {
	s.t.Helper()
	files, err := filepath.Glob(s.file("run/fresh-*.sock"))
	if err != nil {
		s.t.Fatal(err)
	}
	for _, file := range files {
		c, err := dial("unix", file)
		if err == nil {
			c.hangUp()
			continue
		}
		if err := os.Remove(file); err != nil {
			s.t.Error(err)
		}
	}
}

// checkNext checks that a good release works now, and a stop.
func (s *scene) checkNext(serving int) {
	s.t.Helper()
	next := s.replace()
	if s.row.onProbation && serving == s.old {
		next = s.replace() // ends the probation
		s.othersEnd(next)
		next = s.replace() // and had two processes before it
	}
	if next == serving {
		s.t.Errorf("process %d serves, and was to be replaced", next)
	}
	s.othersEnd(next)
	if s.row.played && serving == s.old {
		s.load.reconnectAll() // the script moves no connections
	}
	s.checkConnections(next)
	s.checkProcess(next, s.before)
	s.Signal(next, syscall.SIGTERM)
	s.WaitEnd()
	s.Wait(1, fmt.Sprintf("end pid=%d error=<nil>", next))
	if got, _ := filepath.Glob(s.file("run/*")); len(got) > 0 {
		s.t.Errorf("files are left at the end: %q", got)
	}
}

// wantPhase returns the phase of the restart's error, empty if it has none.
func (r *row) wantPhase() string {
	if r.noPhase {
		return ""
	}
	if r.phase != 0 {
		return r.phase.String()
	}
	switch r.step {
	case atCommit, atManager:
		return restart.PhaseCommit.String()
	case atGo:
		return restart.PhaseGo.String()
	case atProbation, atRequest:
		return restart.PhaseProbation.String()
	}
	return restart.PhaseReady.String()
}
