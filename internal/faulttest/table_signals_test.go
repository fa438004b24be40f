//go:build linux

package faulttest

import (
	"os"
	"strconv"
	"strings"
	"syscall"
	"time"

	"example.com/restart"
	"example.com/restart/internal/proctest"
)

// Signals and requests that come at a bad moment.
var faultsOfSignals = []fault{
	{
		name: "SIGTERM to the old", what: "the old process gets SIGTERM while the new one starts",
		steps: []step{atService, atSpawn, atState, atClaim, atBind}, deed: waits,
		do:     whileStarting(syscall.SIGTERM, theOld),
		serves: nobodyServes, says: "failed in phase ready: stopping: signal terminated…",
		advice: "nothing: both end, and what was begun is finished",
	},
	{
		name: "SIGTERM to the new", what: "the new process gets SIGTERM before it has written the PID file",
		steps: []step{atService, atSpawn, atState, atClaim, atBind}, deed: waits,
		do: func(s *scene) outcome {
			outcomes := s.ask()
			s.Signal(s.reached(), syscall.SIGTERM)
			return <-outcomes
		},
		serves: oldServes, says: "failed in phase ready: …terminated…",
		advice: "restart again",
	},
	{
		name: "SIGTERM after commit", what: "the new process gets SIGTERM when the PID file names it",
		steps: []step{atGo}, deed: waits, toOld: true, played: true,
		do: func(s *scene) outcome {
			outcomes := s.ask()
			s.reached()
			s.Signal(s.successor(), syscall.SIGTERM)
			s.open()
			return <-outcomes
		},
		serves: nobodyServes,
		advice: "nothing: it stops as soon as it serves",
	},
	{
		name: "SIGTERM to both", what: "both get SIGTERM, as `systemctl stop` sends it",
		steps: []step{atService, atSpawn, atState, atClaim, atBind}, deed: waits,
		do: func(s *scene) outcome {
			outcomes := s.ask()
			pid := s.reached()
			s.Signal(pid, syscall.SIGTERM)
			s.Signal(s.old, syscall.SIGTERM)
			return <-outcomes
		},
		serves: nobodyServes, says: "failed in phase ready: …terminated…",
		advice: "nothing: both end",
	},
	{
		name: "two restarts", what: "two restarts are asked for at once",
		steps: []step{atService, atSpawn, atState, atClaim, atBind}, deed: waits,
		do: func(s *scene) outcome {
			first := s.ask()
			s.reached()
			second := s.restart()
			s.open()
			if o := <-first; !o.OK {
				s.t.Errorf("the first restart: got %q", o.Text)
			}
			return second
		},
		serves: newServes, noPhase: true, is: restart.ErrRestarting,
		says:   "restart: a restart is under way",
		advice: "nothing: the first one goes on",
	},
	{
		name: "200 SIGHUPs", what: "SIGHUP comes 200 times in a second",
		steps: []step{atSpawn}, do: storm,
		serves: newServes, manyLive: true,
		advice: "nothing: those that come during a restart count as one",
	},
	{
		name: "SIGUSR2", what: "SIGUSR2 comes while nothing drains",
		steps: []step{atService, atSpawn, atState, atClaim, atBind}, deed: waits,
		do: func(s *scene) outcome {
			outcomes := s.ask()
			s.reached()
			s.Signal(s.old, syscall.SIGUSR2)
			s.Wait(1, "restart: nothing drains, hammer ignored")
			s.open()
			return <-outcomes
		},
		serves: newServes, logs: "restart: nothing drains, hammer ignored",
		advice: "send it to a process that drains",
	},
}

// storm sends SIGHUP to whoever the PID file names, for a second, and waits until
// it is over: each signal causes one more restart at most.
func storm(s *scene) outcome {
	ticks := time.NewTicker(5 * time.Millisecond)
	defer ticks.Stop()
	for range 200 {
		<-ticks.C
		b, err := os.ReadFile(pidFile(s.dir))
		if err != nil {
			s.t.Fatal(err)
		}
		pid, err := strconv.Atoi(strings.TrimSpace(string(b)))
		if err != nil {
			s.t.Fatal(err)
		}
		_ = syscall.Kill(pid, syscall.SIGHUP) // it may have ended
	}
	var o outcome
	for range 3 {
		proctest.Poll(s.t, "no restart is under way", func() (err error) {
			o, err = decode[outcome](once("tcp", s.config.Web, "/restart"))
			if err == nil && !o.OK {
				err = errOrdered
			}
			return err
		})
	}
	return o
}

func theOld(s *scene) int    { return s.old }
func theKeeper(s *scene) int { return s.keeper }

// restartThen restarts, and sends a signal to a process afterwards.
func restartThen(sig syscall.Signal, to func(*scene) int) func(*scene) outcome {
	return func(s *scene) outcome {
		o := s.restart()
		s.Signal(to(s), sig)
		return o
	}
}

// whileStarting sends a signal to a process when the new one waits at a step.
func whileStarting(sig syscall.Signal, to func(*scene) int) func(*scene) outcome {
	return func(s *scene) outcome {
		outcomes := s.ask()
		s.reached()
		s.Signal(to(s), sig)
		return <-outcomes
	}
}
