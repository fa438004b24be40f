//go:build linux

package faulttest

import (
	"fmt"
	"syscall"
	"time"

	"example.com/restart/internal/proctest"
)

// Faults of a new process that the old one may yet have to replace.
var faultsOnProbation = []fault{
	{
		name: "killed on probation", what: "the new process dies in its probation",
		steps: []step{atProbation}, onProbation: true, config: onProbation, do: killNew,
		serves: oldServes, loses: newsOwn, leavesFiles: true, logs: "restart: undone",
		says:   "failed in phase probation: it died (signal: killed)",
		advice: "look at its log",
	},
	{
		name: "exit on probation", what: "the new process exits in its probation",
		steps: []step{atRequest}, deed: exit1, onProbation: true, config: onProbation, do: untilUndone,
		serves: oldServes, loses: newsOwn, leavesFiles: true, logs: "restart: undone",
		says:   "failed in phase probation: it died (exit status 1)",
		advice: "the same",
	},
	{
		name: "panic on probation", what: "the new process panics in its probation",
		steps: []step{atRequest}, deed: panics, onProbation: true, config: onProbation, do: untilUndone,
		serves: oldServes, loses: newsOwn, leavesFiles: true, logs: "restart: undone",
		says:   "failed in phase probation: it died (exit status 2)",
		advice: "the same",
	},
	{
		name: "hangs on probation", what: "the new process hangs in its probation, and somebody kills it",
		steps: []step{atRequest}, deed: stopped, onProbation: true, config: onProbation, do: killStopped,
		serves: oldServes, loses: newsOwn, leavesFiles: true, logs: "restart: undone",
		says:   "failed in phase probation: it died (signal: killed)",
		advice: "the library does not notice that a process hangs: watch the service",
	},
	{
		name: "fails on probation", what: "a service of the new process fails in its probation. The process finishes what it has accepted",
		steps: []step{atProbation}, onProbation: true, config: onProbation, do: tell("/fail"),
		serves: oldServes, loses: newsOwn, logs: "restart: undone",
		says:   "failed in phase probation: it gave back: …the cache cannot be read",
		advice: "look at its log",
	},
	{
		name: "undone", what: "somebody undoes the restart (`restartctl undo`)",
		steps: []step{atProbation}, onProbation: true, config: onProbation, do: tell("/undo"),
		serves: oldServes, loses: nothing, logs: "restart: undone",
		says:   "failed in phase probation: it gave back: the graphs are red",
		advice: "mend the release",
	},
	{
		name: "undone in vain", what: "the new process hangs, and somebody asks the old one to undo the restart",
		steps: []step{atRequest}, deed: stopped, onProbation: true, config: soonKilled, do: undoStopped,
		serves: oldServes, loses: newsOwn, leavesFiles: true, logs: "restart: a successor that was undone did not end and was killed",
		says:   "failed in phase probation: Undo was called: the graphs are red",
		advice: "nothing: it is killed 10 s after HammerTime",
	},
	{
		name: "old killed on probation", what: "the old process dies during the probation",
		steps: []step{atProbation}, onProbation: true, config: onProbation,
		do:     restartThen(syscall.SIGKILL, theOld),
		serves: newServes, loses: oldsOwn, leavesFiles: true,
		advice: "find out why",
	},
	{
		name: "restart on probation", what: "another restart is asked for during the probation",
		steps: []step{atProbation}, onProbation: true, config: onProbation,
		do: func(s *scene) outcome {
			s.replace()
			return s.restart()
		},
		serves: newServes, manyLive: true,
		advice: "nothing: it ends the probation",
	},
	{
		name: "SIGTERM on probation", what: "the new process gets SIGTERM in its probation",
		steps: []step{atProbation}, onProbation: true, config: onProbation,
		do:     restartThen(syscall.SIGTERM, (*scene).successor),
		serves: nobodyServes,
		advice: "nothing: that stops the service",
	},
}

func onProbation(c *config) { c.Probation = time.Hour }

// soonKilled ends a process that was undone soon.
func soonKilled(c *config) {
	onProbation(c)
	c.HammerTime = time.Second
}

// killNew restarts and kills the new process.
func killNew(s *scene) outcome {
	s.replace()
	s.Signal(s.successor(), syscall.SIGKILL)
	return s.undone()
}

// killStopped kills the new process when it has stopped, and clients wait for it.
func killStopped(s *scene) outcome {
	outcomes := s.ask()
	pid := s.reached()
	s.isStopped(pid)
	if o := <-outcomes; !o.OK {
		s.t.Errorf("Restart: got %q", o.Text)
	}
	waiting := s.load.connect("tcp", s.config.Web)
	s.Signal(pid, syscall.SIGKILL)
	if _, _, err := waiting.who(); err != nil {
		s.t.Errorf("a client that waited: %v", err)
	}
	waiting.hangUp()
	return s.undone()
}

// undoStopped asks the old process to undo the restart when the new one has stopped.
func undoStopped(s *scene) outcome {
	toOld := s.load.connect("tcp", s.config.Web)
	if _, _, err := toOld.who(); err != nil {
		s.t.Fatal(err)
	}
	outcomes := s.ask()
	s.isStopped(s.reached())
	if o := <-outcomes; !o.OK {
		s.t.Errorf("Restart: got %q", o.Text)
	}
	if _, _, err := toOld.get("/undo"); err != nil {
		s.t.Errorf("Undo: %v", err)
	}
	toOld.hangUp()
	return s.undone()
}

// untilUndone restarts and waits until that is undone.
func untilUndone(s *scene) outcome {
	if o := s.restart(); !o.OK {
		s.t.Errorf("Restart: got %q", o.Text)
	}
	return s.undone()
}

// tell restarts and asks the new process for something.
func tell(path string) func(*scene) outcome {
	return func(s *scene) outcome {
		s.replace()
		if _, err := once("tcp", s.config.Web, path); err != nil {
			s.t.Errorf("%s: %v", path, err)
		}
		return s.undone()
	}
}

// undone waits until the old process serves again, and returns why.
func (s *scene) undone() outcome {
	s.t.Helper()
	var st status
	proctest.Poll(s.t, "the restart is undone", func() (err error) {
		st, err = decode[status](once("tcp", s.config.Web, "/status"))
		if err == nil && (st.PID != s.old || st.State != "serving") {
			err = fmt.Errorf("got %+v", st)
		}
		return err
	})
	return st.Last
}
