//go:build linux

package faulttest

import (
	"context"
	"time"

	"example.com/restart/internal/wire"
)

// The steps at which the new process's own code, or the library's, runs before it
// serves.
var (
	ownSteps      = []step{atSpawn, atState, atClaim, atBind, atService}
	protocolSteps = []step{atHandshake, atManifest, atReady, atCommit, atGo}
	allSteps      = append(append([]step{}, ownSteps...), protocolSteps...)
	spokenSteps   = []step{atReady, atHandshake, atManifest, atCommit, atGo}
)

// Faults of the new process before it serves. The old one notices, and serves on.
var faultsOfTheSuccessor = []fault{
	{
		name: "exit 0", what: "the new process exits with status 0",
		steps: allSteps, deed: exit0,
		serves: oldServes, says: "failed in phase …: it exited before taking over (exit status 0)",
		advice: "has the program called `Run`?",
	},
	{
		name: "exit 1", what: "the new process exits with another status",
		steps: allSteps, deed: exit1,
		serves: oldServes, says: "failed in phase …: it exited before taking over (exit status 1); its last words: \"no such plugin\"",
		advice: "read the words",
	},
	{
		name: "panic", what: "the new process panics",
		steps: allSteps, deed: panics,
		serves: oldServes, says: "failed in phase …: it exited before taking over (exit status 2); its last words: \"panic: …",
		advice: "read the words; the log has all of them",
	},
	{
		name: "killed", what: "the new process is killed, for example because memory runs out",
		steps: allSteps, deed: killed,
		serves: oldServes, says: "failed in phase …: it exited before taking over (signal: killed)",
		advice: "`dmesg`",
	},
	{
		name: "error", what: "a service of the new process fails, or cannot restore its state",
		steps: []step{atService, atState, atClaim, atBind}, deed: fails,
		serves: oldServes, says: "failed in phase ready: …the cache cannot be read…",
		advice: "read the words",
	},
	{
		name: "hangs", what: "the new process hangs",
		steps: []step{atSpawn}, deed: hangs, config: soonTimedOut,
		serves: oldServes, says: "failed in phase ready: not ready within 10s (Options.ReadyTimeout): has the program called Run, and each service Accept? … (signal: terminated)",
		advice: "give it longer, or find out why. A program that waits for a lock: see [below](#programs-with-exclusive-locks)",
	},
	{
		name: "hangs after go", what: "the new process hangs just before it serves",
		steps: []step{atGo}, deed: hangs, config: soonTimedOut,
		serves: oldServes, says: "failed in phase go: not ready within 10s (Options.ReadyTimeout): … (signal: killed)",
		advice: "look at its log",
	},
	{
		name: "cancelled", what: "the new process hangs, and somebody cancels the restart",
		steps: []step{atSpawn, atState, atClaim, atBind, atService, atHandshake, atManifest, atReady, atCommit}, deed: hangs, do: cancel,
		serves: oldServes, is: context.Canceled,
		says:   "failed in phase …: CancelRestart was called: context canceled…",
		advice: "nothing",
	},
	{
		name: "stopped", what: "the new process is stopped (SIGSTOP), and somebody cancels the restart",
		steps: []step{atCommit, atSpawn, atState, atClaim, atBind, atService, atHandshake, atManifest, atReady}, deed: stopped, do: cancel,
		serves: oldServes, is: context.Canceled,
		says:   "failed in phase …: CancelRestart was called: context canceled (signal: killed)",
		advice: "nothing: the process is killed after 3 s",
	},
	{
		name: "stopped after go", what: "the new process is stopped just before it serves",
		steps: []step{atGo}, deed: stopped, config: soonTimedOut,
		serves: oldServes, says: "failed in phase go: not ready within 10s (Options.ReadyTimeout): … (signal: killed)",
		advice: "find out who stopped it",
	},
	{
		name: "truncated frame", what: "a message of the new process is cut short",
		steps: spokenSteps, deed: truncate,
		serves: oldServes, is: wire.ErrTruncated,
		says:   "failed in phase …: … truncated frame…",
		advice: "report it",
	},
	{
		name: "oversized frame", what: "a message of the new process is too large",
		steps: spokenSteps, deed: oversize,
		serves: oldServes, says: "failed in phase …: frame cut off by the kernel…",
		advice: "report it",
	},
	{
		name: "another version", what: "the new process speaks another version of the protocol",
		steps: spokenSteps, deed: version,
		serves: oldServes, is: wire.ErrVersion,
		says:   "failed in phase …: the other side speaks 2, this side 1: unsupported protocol version…",
		advice: "stop and start, once",
	},
	{
		name: "no protocol", what: "what comes from the new process is no message",
		steps: spokenSteps, deed: foreign,
		serves: oldServes, is: wire.ErrMagic,
		says:   "failed in phase …: not a restart channel (wrong magic)…",
		advice: "report it",
	},
	{
		name: "nonsense", what: "a message of the new process cannot be decoded",
		steps: []step{atReady, atHandshake, atManifest, atCommit, atGo}, deed: nonsense,
		serves: oldServes, says: "failed in phase …: decode …",
		advice: "report it",
	},
	{
		name: "wrong frame", what: "a message of the new process comes at the wrong time",
		steps: spokenSteps, deed: wrong,
		serves: oldServes, says: "failed in phase …: invalid message from successor: got source, want …",
		advice: "report it",
	},
	{
		name: "empty packet", what: "a message of the new process is empty",
		steps: spokenSteps, deed: empty,
		serves: oldServes, says: "failed in phase …: empty packet…",
		advice: "report it",
	},
	{
		name: "unknown frame", what: "the new process sends a message that only a newer library understands",
		steps: []step{atHandshake}, deed: unknown,
		serves: newServes,
		advice: "nothing: it is skipped",
	},
}

// soonTimedOut leaves enough time for a good release on a busy machine.
func soonTimedOut(c *config) { c.ReadyTimeout = 10 * time.Second }

// cancel cancels the restart when the new process is where the order is for.
func cancel(s *scene) outcome {
	outcomes := s.ask()
	pid := s.reached()
	if s.row.deed == stopped {
		s.isStopped(pid)
	}
	if ok, err := decode[bool](once("tcp", s.config.Web, "/cancel")); err != nil || !ok {
		s.t.Errorf("CancelRestart: got %v, %v; want true", ok, err)
	}
	return <-outcomes
}
