//go:build linux

package faulttest

import (
	"fmt"
	"net"
	"syscall"
	"testing"
	"time"
)

// Faults when the new process serves.
var faultsAfterwards = []fault{
	{
		name: "new dies", what: "the new process dies while the old one drains",
		steps: []step{atRequest}, deed: killed, do: untilGone,
		serves: nobodyServes, leavesFiles: true, askerMayGo: true,
		advice: "start the program again. `Options.Probation` is for releases that fail late",
	},
	{
		name: "new panics", what: "it panics at its first request",
		steps: []step{atRequest}, deed: panics, do: untilGone,
		serves: nobodyServes, leavesFiles: true, askerMayGo: true,
		advice: "the same",
	},
	{
		name: "new dies while connections move", what: "it dies while connections move. Those that were on the way are closed: it may have begun to answer",
		steps: []step{atHandOver}, deed: killed, do: untilGone,
		serves: nobodyServes, leavesFiles: true, askerMayGo: true,
		advice: "the same",
	},
	{
		name: "new refuses connections", what: "it does not take connections",
		steps: []step{atHandOver}, deed: fails,
		serves: newServes, loses: idleOnes, logs: "restart: connections not adopted; the predecessor keeps them",
		advice: "the log has the reason. They are told to close, and closed when they are idle",
	},
	{
		name: "new is stopped while connections move", what: "it is stopped for a while (SIGSTOP) while connections move",
		steps: []step{atHandOver}, deed: stopped, do: resumeNew,
		serves: newServes,
		advice: "nothing: clients wait",
	},
	{
		name: "new says less while connections move", what: "it answers nonsense when connections move. Those that were on the way are closed",
		steps: []step{atHandOver}, deed: truncate,
		serves: newServes, loses: oldsOwn, leavesFiles: true,
		advice: "report it",
	},
	{
		name: "new says nonsense while connections move", what: "the same",
		steps: []step{atHandOver}, deed: foreign,
		serves: newServes, loses: oldsOwn, leavesFiles: true,
		advice: "report it",
	},
	{
		name: "old dies in its drain", what: "the old process dies while it drains",
		steps: []step{atDrain}, deed: killed, toOld: true,
		serves: newServes, loses: oldsOwn, askerMayGo: true,
		advice: "find out why",
	},
	{
		name: "old panics in its drain", what: "it panics while it drains",
		steps: []step{atDrain}, deed: panics, toOld: true,
		serves: newServes, loses: oldsOwn, askerMayGo: true,
		advice: "mend `Shutdown`",
	},
	{
		name: "old is stopped in its drain", what: "it is stopped for a while (SIGSTOP) while it drains",
		steps: []step{atDrain}, deed: stopped, toOld: true, do: resumeOld,
		serves: newServes,
		advice: "nothing: its clients wait",
	},
	{
		name: "handler hangs", what: "a handler does not end",
		steps: []step{atDrain}, do: hammerByHand,
		serves: newServes, loses: slowOnes, logs: "restart: hammer: connections closed by force",
		advice: "longer HammerTime, or a handler that ends",
	},
	{
		name: "service hangs", what: "a service's `Shutdown` does not return",
		steps: []step{atDrain}, deed: hangs, toOld: true, config: soonHammered, do: waitForHammer,
		serves: newServes, loses: oldsOwn, logs: "restart: hammer: connections closed by force",
		advice: "mend the service",
	},
	{
		name: "close hangs", what: "a service's `Close` does not return",
		steps: []step{atHammer}, deed: hangs, toOld: true, do: hammerByHand,
		serves: newServes, loses: slowOnes, logs: "restart: Close of a service does not return",
		advice: "mend the service",
	},
	{
		name: "killed on probation", what: "the new process dies in its probation",
		steps: []step{atProbation}, onProbation: true, config: onProbation, do: killNew,
		serves: oldServes, loses: newsOwn, logs: "restart: undone",
		says:   "failed in phase probation: it died (signal: killed)",
		advice: "look at its log",
	},
	{
		name: "exit on probation", what: "it exits in its probation",
		steps: []step{atRequest}, deed: exit1, onProbation: true, config: onProbation, do: untilUndone,
		serves: oldServes, loses: newsOwn, logs: "restart: undone",
		says:   "failed in phase probation: it died (exit status 1)",
		advice: "the same",
	},
	{
		name: "panic on probation", what: "it panics in its probation",
		steps: []step{atRequest}, deed: panics, onProbation: true, config: onProbation, do: untilUndone,
		serves: oldServes, loses: newsOwn, logs: "restart: undone",
		says:   "failed in phase probation: it died (exit status 2)",
		advice: "the same",
	},
	{
		name: "hangs on probation", what: "it hangs in its probation, and somebody kills it",
		steps: []step{atRequest}, deed: stopped, onProbation: true, config: onProbation, do: killStopped,
		serves: oldServes, loses: newsOwn, logs: "restart: undone",
		says:   "failed in phase probation: it died (signal: killed)",
		advice: "the library does not notice that a process hangs: watch the service",
	},
	{
		name: "fails on probation", what: "one of its services fails in its probation. It finishes what it has accepted",
		steps: []step{atProbation}, onProbation: true, config: onProbation, do: tell("/fail"),
		serves: oldServes, loses: newsOwn, logs: "restart: undone",
		says:   "failed in phase probation: it gave back: the test wants an error",
		advice: "look at its log",
	},
	{
		name: "undone", what: "somebody undoes the restart (`restartctl undo`)",
		steps: []step{atProbation}, onProbation: true, config: onProbation, do: tell("/undo"),
		serves: oldServes, loses: nothing, logs: "restart: undone",
		says:   "failed in phase probation: it gave back: the graphs are red",
		advice: "",
	},
	{
		name: "old killed on probation", what: "the old process dies during the probation",
		steps: []step{atProbation}, onProbation: true, config: onProbation,
		do: func(s *scene) outcome {
			o := s.restart()
			s.Signal(s.old, syscall.SIGKILL)
			return o
		},
		serves: newServes, loses: oldsOwn,
		advice: "find out why",
	},
	{
		name: "restart on probation", what: "another restart is asked for during the probation",
		steps: []step{atProbation}, onProbation: true, config: onProbation,
		do: func(s *scene) outcome {
			s.replace()
			return s.restart()
		},
		serves: newServes,
		advice: "nothing: it ends the probation",
	},
	{
		name: "SIGTERM on probation", what: "the new process gets SIGTERM in its probation",
		steps: []step{atProbation}, onProbation: true, config: onProbation,
		do: func(s *scene) outcome {
			o := s.restart()
			s.Signal(s.successor(), syscall.SIGTERM)
			return o
		},
		serves: nobodyServes,
		advice: "nothing: that stops the service",
	},
}

func onProbation(c *config) { c.Probation = time.Hour }

// soonHammered leaves enough time for connections to move on a busy machine.
func soonHammered(c *config) { c.HammerTime = 3 * time.Second }

// untilGone restarts and waits for the end of the new process.
func untilGone(s *scene) outcome {
	outcomes := s.ask()
	s.WaitExit(s.reached())
	return <-outcomes
}

// resumeNew lets the new process go on that has stopped itself.
func resumeNew(s *scene) outcome {
	outcomes := s.ask()
	pid := s.reached()
	s.isStopped(pid)
	s.withdraw()
	s.Signal(pid, syscall.SIGCONT)
	return <-outcomes
}

func resumeOld(s *scene) outcome { return resumeNew(s) }

// hammerByHand restarts and ends the drain by force, when all connections but that
// of the slow request have moved.
func hammerByHand(s *scene) outcome {
	o := s.restart()
	s.load.haveLeft(s.old)
	s.Signal(s.old, syscall.SIGUSR2)
	s.WaitExit(s.old)
	return o
}

func waitForHammer(s *scene) outcome {
	o := s.restart()
	s.WaitExit(s.old)
	return o
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
	poll(s.t, "the restart is undone", func() (err error) {
		st, err = decode[status](once("tcp", s.config.Web, "/status"))
		if err == nil && (st.PID != s.old || st.State != "serving") {
			err = fmt.Errorf("got %+v", st)
		}
		return err
	})
	return st.Last
}

func listenUnix(t *testing.T, path string) (close func()) {
	t.Helper()
	ln, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	return func() { ln.Close() }
}
