// Package manifest checks what a job description says about the end of a program
// against the program's flags.
package manifest

import (
	"testing"
	"time"
)

// Margin is what a stop may take beyond LameDuck and HammerTime: hooks, services
// and processes that end late have a few seconds each.
const Margin = 10 * time.Second

// Flag returns the duration that follows name in the arguments of a program.
func Flag(t *testing.T, args []string, name string) time.Duration {
	t.Helper()
	for i, arg := range args[:max(0, len(args)-1)] {
		if arg == name {
			d, err := time.ParseDuration(args[i+1])
			if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			return d
		}
	}
	t.Fatalf("no %s in %q", name, args)
	return 0
}

// CheckStop checks that a program with these arguments can stop within grace, and
// that within its LameDuck a check that is made at this interval has failed
// often enough.
func CheckStop(t *testing.T, args []string, grace, interval time.Duration, failures int) {
	t.Helper()
	lameDuck, hammer := Flag(t, args, "-lame-duck"), Flag(t, args, "-hammer")
	if least := lameDuck + hammer + Margin; grace < least {
		t.Errorf("the program is killed %v after it was told to stop, which may take %v: %v + %v + %v", grace, least, lameDuck, hammer, Margin)
	}
	if most := interval * time.Duration(failures+1); lameDuck < most {
		t.Errorf("LameDuck is %v, but it may take %v until a check has failed %d times", lameDuck, most, failures)
	}
}
