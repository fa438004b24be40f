//go:build linux

package faulttest

import (
	"os"
	"testing"

	"example.com/restart"
)

// A fault is something that happens in a restart, at one of several steps, and
// what must become of it.
type fault struct {
	name string // for -run
	what string // for operators

	// The fault before this one in the table says the same to operators.
	sameAsBefore bool

	// What happens where: a process does deed when it comes to a step, the new
	// process unless toOld is set. Played says that a script plays the old process.
	steps   []step
	deed    deed
	toOld   bool
	played  bool
	prepare func(*scene)         // before the first process starts
	config  func(*config)        // of the process that is to be replaced
	do      func(*scene) outcome // what the test does; nil: it asks for a restart

	// What becomes of it. Dots in says stand for any words; no words mean that
	// Restart returns nil. The phase follows from the step unless it is set.
	serves      servant
	says        string
	phase       restart.Phase
	noPhase     bool // the error is no RestartError
	is          error
	logs        string // what the log says, in one of the processes
	loses       losses
	askerMayGo  bool // who asked may not get an answer: the process that was asked dies
	leavesFiles bool // a process died that had files
	stuck       int  // goroutines of the program that hang
	manyLive    bool // several generations live at once, and each costs the latest a descriptor
	onProbation bool

	advice string // for operators
}

// A servant is who serves after a fault.
type servant string

const (
	oldServes    servant = "the old process"
	newServes    servant = "the new process"
	nobodyServes servant = "nobody"
)

// losses are what clients may lose.
type losses int

const (
	nothing    losses = iota
	oldsOwn           // what the old process had when it died
	newsOwn           // what the new process had accepted when it died
	slowOnes          // the request that lasts too long
	idleOnes          // connections that cannot move, when they were idle for long
	untilBound        // anything until the new process has bound its sockets
)

// A row is a fault at one step.
type row struct {
	fault
	step step
}

// scripted reports whether the new process is played by a script at this step: no
// code of a program runs there.
func (r *row) scripted() bool {
	switch r.step {
	case atHandshake, atManifest, atReady, atCommit, atGo:
		return !r.played && !r.toOld && r.deed != ""
	}
	return r.newIsPlayed()
}

// newIsPlayed reports whether the process that serves in the end is played.
func (r *row) newIsPlayed() bool { return r.step == atHandOver && r.deed.frame(0) != nil }

// TestFaults runs the table: each row in processes of its own.
func TestFaults(t *testing.T) {
	makePrograms(t)
	rows := make(map[step][]row)
	for _, g := range table {
		for _, f := range g.faults {
			steps := f.steps
			if os.Getenv("FAULTS") != "all" {
				steps = steps[:1]
			}
			for _, s := range steps {
				rows[s] = append(rows[s], row{f, s})
			}
		}
	}
	for s, of := range rows {
		t.Run(string(s), func(t *testing.T) {
			t.Parallel()
			for _, r := range of {
				t.Run(r.name, func(t *testing.T) {
					t.Parallel()
					r.run(t)
				})
			}
		})
	}
}

func (r *row) run(t *testing.T) {
	s := newScene(t, r)
	s.load.begin()
	if !r.played {
		s.before = s.measure(s.old)
	}
	s.load.resume()
	s.give()
	do := r.do
	if do == nil {
		do = (*scene).restart
	}
	s.checkAfter(do(s))
}

// A group is a part of the table.
type group struct {
	title  string
	faults []fault
}

var table = []group{
	{"The program's file", faultsOfThePrograms},
	{"The new process, before it serves", faultsOfTheSuccessor},
	{"The old process, before the new one serves", faultsOfThePredecessor},
	{"Descriptors, disk, addresses", faultsOfResources},
	{"Signals and requests at a bad moment", faultsOfSignals},
	{"The new process serves and the old one drains", faultsInTheDrain},
	{"Probation", faultsOnProbation},
	{"Under systemd", faultsUnderSystemd},
	{"Under a keeper", faultsUnderAKeeper},
}
