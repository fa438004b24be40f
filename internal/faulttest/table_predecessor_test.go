//go:build linux

package faulttest

import (
	"fmt"
	"strings"
	"syscall"

	"example.com/restart"
	"example.com/restart/internal/proctest"
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
		name: "old dies by itself", what: "the old process dies between two messages",
		steps: []step{atReady, atCommit, atGo, atRequest}, deed: killed, toOld: true, played: true,
		serves: newServes, loses: oldsOwn, askerMayGo: true,
		advice: "find out why",
	},
	{
		name: "old dies at once", what: "the old process dies before it has passed on its sockets. Clients are refused until the new one has bound them",
		steps: []step{atHandshake, atManifest}, deed: killed, toOld: true, played: true,
		serves: newServes, loses: untilBound, askerMayGo: true,
		advice: "find out why",
	},
	{
		name: "old panics", what: "`State` of a service panics",
		steps: []step{atState}, deed: panics, toOld: true,
		serves: nobodyServes, loses: oldsOwn, askerMayGo: true, leavesFiles: true,
		advice: "start the program again, and mend it",
	},
	{
		name: "state fails", what: "`State` of a service fails",
		steps: []step{atState}, deed: fails, toOld: true,
		serves: oldServes, phase: restart.PhasePrepare,
		says:   "no successor started: state of \"web\": the cache cannot be read",
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
		name: "old says less", what: "a message of the old process is cut short. The error is in the log of the new one",
		steps: leaderSteps, deed: truncate, toOld: true, played: true,
		serves: oldServes, noPhase: true, says: "… truncated frame… (exit status 1)",
		advice: "report it",
	},
	{
		name: "old says too much", what: "a message of the old process is too large",
		steps: leaderSteps, deed: oversize, toOld: true, played: true,
		serves: oldServes, noPhase: true, says: "… frame cut off by the kernel… (exit status 1)",
		advice: "report it",
	},
	{
		name: "old has another version", what: "the old process speaks another version of the protocol",
		steps: leaderSteps, deed: version, toOld: true, played: true,
		serves: oldServes, noPhase: true, says: "… the other side speaks 2, this side 1: unsupported protocol version… (exit status 1)",
		advice: "stop and start, once",
	},
	{
		name: "old has no protocol", what: "what comes from the old process is no message",
		steps: leaderSteps, deed: foreign, toOld: true, played: true,
		serves: oldServes, noPhase: true, says: "… not a restart channel (wrong magic)… (exit status 1)",
		advice: "report it",
	},
	{
		name: "old says a wrong frame", what: "a message of the old process comes at the wrong time",
		steps: leaderSteps, deed: wrong, toOld: true, played: true,
		serves: oldServes, noPhase: true, says: "…source… (exit status 1)",
		advice: "report it",
	},
	{
		name: "old says nothing", what: "a message of the old process is empty",
		steps: leaderSteps, deed: empty, toOld: true, played: true,
		serves: oldServes, noPhase: true, says: "… empty packet… (exit status 1)",
		advice: "report it",
	},
	{
		name: "old says more", what: "the old process sends a message that only a newer library understands",
		steps: leaderSteps, deed: unknown, toOld: true, played: true,
		serves: newServes, loses: oldsOwn,
		advice: "nothing: it is skipped",
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
	proctest.Poll(s.t, "the new process has written", func() error {
		if got := s.Stderr(); !strings.Contains(got, wentOn) {
			return fmt.Errorf("got %q on standard error", got)
		}
		return nil
	})
	return o
}
