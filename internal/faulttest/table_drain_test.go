//go:build linux

package faulttest

import (
	"syscall"
	"time"
)

// Faults when the new process serves.
var faultsInTheDrain = []fault{
	{
		name: "new dies", what: "the new process dies while the old one drains",
		steps: []step{atRequest}, deed: killed, do: untilGone,
		serves: nobodyServes, leavesFiles: true, askerMayGo: true,
		logs:   "restart: the successor died: nobody serves now",
		advice: "start the program again. `Options.Probation` is for releases that fail late",
	},
	{
		name: "new panics", what: "the new process panics at its first request",
		steps: []step{atRequest}, deed: panics, do: untilGone,
		serves: nobodyServes, leavesFiles: true, askerMayGo: true,
		logs:   "restart: the successor died: nobody serves now",
		advice: "the same",
	},
	{
		name: "new dies while connections move", what: "the new process dies while connections move. Those on their way are closed, because it may have begun to answer",
		steps: []step{atHandOver}, deed: killed, do: untilGone,
		serves: nobodyServes, leavesFiles: true, askerMayGo: true,
		logs:   "restart: the successor died: nobody serves now",
		advice: "the same",
	},
	{
		name: "new refuses connections", what: "the new process does not take connections",
		steps: []step{atHandOver}, deed: fails,
		serves: newServes, loses: idleOnes, logs: "restart: connections not adopted; the predecessor keeps them",
		advice: "the log has the reason. They are told to close, and closed when they are idle",
	},
	{
		name: "new is stopped while connections move", what: "the new process is stopped for a while (SIGSTOP) while connections move",
		steps: []step{atHandOver}, deed: stopped, do: resumeNew,
		serves: newServes,
		advice: "nothing: clients wait",
	},
	{
		name: "new says less while connections move", what: "an answer of the new process makes no sense while connections move. Those on their way are closed",
		steps: []step{atHandOver}, deed: truncate,
		serves: newServes, loses: oldsOwn, leavesFiles: true,
		advice: "report it",
	},
	{
		name: "new says nonsense while connections move", sameAsBefore: true,
		steps: []step{atHandOver}, deed: foreign,
		serves: newServes, loses: oldsOwn, leavesFiles: true,
		advice: "report it",
	},
	{
		name: "old dies in its drain", what: "the old process dies while it drains",
		steps: []step{atDrain}, deed: killed, toOld: true,
		serves: newServes, loses: oldsOwn, askerMayGo: true, leavesFiles: true,
		advice: "find out why",
	},
	{
		name: "old panics in its drain", what: "the old process panics while it drains",
		steps: []step{atDrain}, deed: panics, toOld: true,
		serves: newServes, loses: oldsOwn, askerMayGo: true, leavesFiles: true,
		advice: "mend `Shutdown`",
	},
	{
		name: "old is stopped in its drain", what: "the old process is stopped for a while (SIGSTOP) while it drains",
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
}

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
