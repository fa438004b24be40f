//go:build linux

package faulttest

import (
	"fmt"
	"strings"
	"syscall"

	"example.com/restart"
)

// The steps of the protocol that the old process takes.
var leaderSteps = []step{atManifest, atHandshake, atCommit, atGo}

// Faults of the old process while the new one starts.
var faultsOfThePredecessor = []fault{
	{
		name: "old killed", what: "the old process dies while the new one starts",
		steps: []step{atService, atSpawn, atState, atClaim, atBind}, deed: waits, do: killOld,
		serves: newServes, loses: oldsOwn, askerMayGo: true,
		logs:   "restart: the predecessor died, taking over",
		advice: "find out why",
	},
	{
		name: "old dies by itself", what: "it dies between two messages",
		steps: []step{atReady, atCommit, atGo, atRequest}, deed: killed, toOld: true, played: true,
		serves: newServes, loses: oldsOwn, askerMayGo: true,
		advice: "find out why",
	},
	{
		name: "old dies at once", what: "it dies before it has passed on any socket",
		steps: []step{atHandshake, atManifest}, deed: killed, toOld: true, played: true,
		serves: newServes, loses: untilBound, askerMayGo: true,
		advice: "find out why",
	},
	{
		name: "old panics", what: "it panics in code that gives the state on",
		steps: []step{atState}, deed: panics, toOld: true,
		serves: nobodyServes, loses: oldsOwn, askerMayGo: true, leavesFiles: true,
		advice: "start the program again; nothing has been started yet",
	},
	{
		name: "state fails", what: "a service cannot give its state on",
		steps: []step{atState}, deed: fails, toOld: true,
		serves: oldServes, phase: restart.PhasePrepare,
		says:   "no successor started: state of \"web\": the test wants an error",
		advice: "mend it",
	},
	{
		name: "state hangs", what: "`State` or `Options.Command` does not return",
		steps: []step{atState}, deed: hangs, toOld: true, config: soonTimedOut, stuck: 1,
		serves: oldServes, phase: restart.PhasePrepare,
		says:   "no successor started: state of \"web\": State has not returned: not ready within 10s…",
		advice: "mend it",
	},
	{
		name: "old stopped", what: "the old process is stopped for a while (SIGSTOP)",
		steps: []step{atService, atSpawn, atState, atClaim, atBind}, deed: waits,
		do: func(s *scene) outcome {
			outcomes := s.ask()
			s.reached()
			s.Signal(s.old, syscall.SIGSTOP)
			s.isStopped(s.old)
			s.open()
			s.Signal(s.old, syscall.SIGCONT)
			return <-outcomes
		},
		serves: newServes,
		advice: "nothing: clients wait",
	},
	{
		name: "old says less", what: "the old process's library is broken: what it says is cut short",
		steps: leaderSteps, deed: truncate, toOld: true, played: true,
		serves: oldServes, noPhase: true, says: "… truncated frame… (exit status 1)",
		advice: "report it",
	},
	{
		name: "old says too much", what: "it says too much at once",
		steps: leaderSteps, deed: oversize, toOld: true, played: true,
		serves: oldServes, noPhase: true, says: "… frame cut off by the kernel… (exit status 1)",
		advice: "report it",
	},
	{
		name: "old has another version", what: "it speaks another version of the protocol",
		steps: leaderSteps, deed: version, toOld: true, played: true,
		serves: oldServes, noPhase: true, says: "… the other side speaks 2, this side 1: unsupported protocol version… (exit status 1)",
		advice: "stop and start, once",
	},
	{
		name: "old has no protocol", what: "it says something else altogether",
		steps: leaderSteps, deed: foreign, toOld: true, played: true,
		serves: oldServes, noPhase: true, says: "… not a restart channel (wrong magic)… (exit status 1)",
		advice: "report it",
	},
	{
		name: "old says a wrong frame", what: "it says something at the wrong time",
		steps: leaderSteps, deed: wrong, toOld: true, played: true,
		serves: oldServes, noPhase: true, says: "…source… (exit status 1)",
		advice: "report it",
	},
	{
		name: "old says nothing", what: "it says nothing, in a packet",
		steps: leaderSteps, deed: empty, toOld: true, played: true,
		serves: oldServes, noPhase: true, says: "… empty packet… (exit status 1)",
		advice: "report it",
	},
	{
		name: "old says more", what: "it says what only a newer version of the library understands",
		steps: leaderSteps, deed: unknown, toOld: true, played: true,
		serves: newServes, loses: oldsOwn,
		advice: "nothing: that is skipped",
	},
}

// killOld kills the old process when the new one waits at a step.
func killOld(s *scene) outcome {
	outcomes := s.ask()
	s.reached()
	s.Signal(s.old, syscall.SIGKILL)
	s.WaitExit(s.old)
	s.open()
	o := <-outcomes
	if s.row.serves == nobodyServes {
		return o
	}
	poll(s.t, "the new process has written", func() error {
		if got := s.Stderr(); !strings.Contains(got, wentOn) {
			return fmt.Errorf("got %q on standard error", got)
		}
		return nil
	})
	return o
}
