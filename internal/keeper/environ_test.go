package keeper

import (
	"os"
	"slices"
	"strconv"
	"testing"

	"example.com/restart/internal/spawn"
)

func TestDecide(t *testing.T) {
	parent := strconv.Itoa(os.Getppid())
	for name, tt := range map[string]struct {
		choice Choice
		env    map[string]string
		want   bool
	}{
		"automatic":                 {Automatic, nil, false}, // the PID of a test is not 1
		"always":                    {Always, nil, true},
		"never":                     {Never, map[string]string{Var: "1"}, false},
		"by the operator":           {Automatic, map[string]string{Var: "1"}, true},
		"against the program":       {Always, map[string]string{Var: "0"}, false},
		"below a keeper":            {Always, map[string]string{keptVar: parent}, false},
		"started by a kept program": {Always, map[string]string{keptVar: "1234567"}, true},
		"successor":                 {Always, map[string]string{spawn.ChannelVar: "3"}, false},
	} {
		t.Run(name, func(t *testing.T) {
			for _, v := range []string{Var, keptVar, spawn.ChannelVar} {
				t.Setenv(v, "") // to be restored
				os.Unsetenv(v)
			}
			for v, value := range tt.env {
				os.Setenv(v, value)
			}
			if got, err := Decide(tt.choice); got != tt.want || err != nil {
				t.Errorf("got %v, %v, want %v", got, err, tt.want)
			}
			if _, ok := os.LookupEnv(keptVar); ok {
				t.Error("processes that the program starts would take themselves for kept")
			}
		})
	}
	t.Setenv(Var, "yes")
	if _, err := Decide(Automatic); err == nil {
		t.Error("got no error for a value that means nothing")
	}
}

func TestEnviron(t *testing.T) {
	base := []string{"A=1", "NOTIFY_SOCKET=/run/systemd/notify", "LISTEN_PID=1", Var + "=1", "B=2"}
	if got, want := environ(base, "NOTIFY_SOCKET=@n"), []string{"A=1", "B=2", "NOTIFY_SOCKET=@n"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	if base[1] == "B=2" {
		t.Error("the caller's environment is changed")
	}
}
