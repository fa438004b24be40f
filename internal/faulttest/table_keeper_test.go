//go:build linux

package faulttest

import (
	"syscall"

	"example.com/restart"
	"example.com/restart/internal/keeper"
)

// Faults of a process that a keeper has started, and of the keeper.
var faultsUnderAKeeper = []fault{
	{
		name: "new killed under a keeper", what: "the new process is killed",
		steps: []step{atService, atSpawn, atState, atClaim, atBind}, deed: killed, prepare: underKeeper,
		serves: oldServes, says: "failed in phase ready: it exited before taking over",
		advice: "`dmesg`. The keeper's log has its exit status",
	},
	{
		name: "new hangs under a keeper", what: "the new process hangs, and somebody cancels the restart",
		steps: []step{atService, atSpawn, atState, atClaim, atBind, atCommit}, deed: hangs, prepare: underKeeper, do: cancel,
		serves: oldServes, says: "failed in phase …: CancelRestart was called: context canceled…",
		advice: "nothing",
	},
	{
		name: "old killed under a keeper", what: "the old process dies while the new one starts",
		steps: []step{atService, atSpawn, atState, atClaim, atBind}, deed: waits, prepare: underKeeper,
		do: func(s *scene) outcome {
			outcomes := s.ask()
			s.reached()
			s.withdraw() // the process that the keeper starts is to serve
			s.Signal(s.old, syscall.SIGKILL)
			s.WaitExit(s.old)
			s.open()
			return <-outcomes
		},
		serves: newServes, loses: oldsOwn, askerMayGo: true, leavesFiles: true,
		advice: "nothing: the new one ends too, and the keeper starts the program again. Clients wait meanwhile",
	},
	{
		name: "new dies under a keeper", what: "the new process dies while the old one drains",
		steps: []step{atRequest}, prepare: underKeeper,
		do:     restartThen(syscall.SIGKILL, (*scene).successor),
		serves: newServes, loses: oldsOwn, leavesFiles: true,
		logs:   "restart: the successor died: nobody serves now",
		advice: "nothing: the keeper starts the program again. Clients wait meanwhile",
	},
	{
		name: "killed on probation under a keeper", what: "the new process dies in its probation",
		steps: []step{atProbation}, onProbation: true, config: onProbation, prepare: underKeeper, do: killNew,
		serves: oldServes, loses: newsOwn, leavesFiles: true, logs: "restart: undone",
		says:   "failed in phase probation: it died",
		advice: "look at its log. The keeper does not start the program again",
	},
	{
		name: "keeper killed", what: "the keeper dies while the new process starts. Both get SIGTERM",
		steps: []step{atService, atSpawn, atState, atClaim, atBind}, deed: waits, prepare: underKeeper,
		do:     whileStarting(syscall.SIGKILL, theKeeper),
		serves: nobodyServes, phase: restart.PhaseReady, says: "failed in phase ready: …",
		advice: "start it again. Whoever watches it does",
	},
	{
		name: "keeper killed on probation", what: "the keeper dies in a probation. Both processes get SIGTERM",
		steps: []step{atProbation}, onProbation: true, config: onProbation, prepare: underKeeper,
		do:     restartThen(syscall.SIGKILL, theKeeper),
		serves: nobodyServes,
		advice: "the same",
	},
}

// underKeeper starts the server below a keeper.
func underKeeper(s *scene) {
	s.kept = true
	s.env = append(s.env, keeper.Var+"=1")
}
