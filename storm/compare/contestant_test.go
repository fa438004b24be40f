package compare

import (
	"syscall"
	"testing"
)

func TestParseContestant(t *testing.T) {
	for in, want := range map[string]Contestant{
		"ours=./server -addr {addr}":   {Name: "ours", Command: "./server -addr {addr}", Signal: syscall.SIGHUP},
		"grace:usr2=./grace -a={addr}": {Name: "grace", Command: "./grace -a={addr}", Signal: syscall.SIGUSR2},
		"a b:SIGUSR1=x":                {Name: "a b", Command: "x", Signal: syscall.SIGUSR1},
		"n:12=x":                       {Name: "n", Command: "x", Signal: syscall.SIGUSR2},
	} {
		got, err := ParseContestant(in)
		if err != nil || got.Name != want.Name || got.Command != want.Command || got.Signal != want.Signal {
			t.Errorf("%q: got %+v, %v, want %+v", in, got, err, want)
		}
	}
	for _, bad := range []string{"", "x", "=x", "x=", "x= ", ":HUP=x", "x:NOSUCH=y", "x:=y", "x:0=y", "x:65=y"} {
		if got, err := ParseContestant(bad); err == nil {
			t.Errorf("%q: got %+v, want an error", bad, got)
		}
	}
}
