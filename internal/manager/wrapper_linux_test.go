//go:build !restart_portable

package manager

import (
	"os"
	"strconv"
	"strings"
	"testing"
)

func TestUnitOf(t *testing.T) {
	for groups, want := range map[string]string{
		"0::/system.slice/app.service\n":                                             "app.service",
		"0::/system.slice/app.service/worker\n":                                      "app.service",
		"0::/user.slice/user-1000.slice/user@1000.service/app.slice/app.service\n":   "app.service",
		"2:cpu:/other.service\n1:name=systemd:/system.slice/app.service\n0::/\n":     "app.service",
		"0::/user.slice/user-1000.slice/session-2.scope\n":                           "",
		"0::/system.slice/system-app.slice/app@one.service\n1:name=systemd:/a.slice": "app@one.service",
		"": "",
	} {
		if got := unitOf(groups); got != want {
			t.Errorf("%q: got %q, want %q", groups, got, want)
		}
	}
}

func TestCheckNotifyAccess(t *testing.T) {
	self := strconv.Itoa(os.Getpid())
	for shown, deaf := range map[string]bool{
		"NotifyAccess=main\nMainPID=7\n":            true,
		"NotifyAccess=exec\nMainPID=7\n":            true,
		"NotifyAccess=main\nMainPID=0\n":            false, // not known yet
		"NotifyAccess=all\nMainPID=7\n":             false,
		"NotifyAccess=main\nMainPID=" + self + "\n": false, // a script has said so
		"": false,
	} {
		err := checkNotifyAccess("app.service", properties(shown))
		if (err != nil) != deaf {
			t.Errorf("%q: got %v", shown, err)
		}
		if deaf && !strings.Contains(err.Error(), `app.service: that is process 7`) {
			t.Errorf("%q: got %v", shown, err)
		}
	}
}
