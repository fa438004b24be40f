//go:build linux && !restart_portable

package systemdtest

import (
	"strings"
	"testing"
)

// On probation the old process stays the main one, and it serves again when the
// release crashes or somebody undoes it. systemd notices none of that.
func TestProbationUnderSystemd(t *testing.T) {
	r := bootControlled(t, strings.Replace(controlledUnit, "bin/controlled\n", "bin/controlled -probation 1h\n", 1))
	old := r.show("MainPID")
	for name, undo := range map[string]func(successor string){
		"crash": func(successor string) { r.Run("kill", "-KILL", successor) },
		"undo": func(string) {
			r.Run("/usr/local/bin/restartctl", "--socket", "/run/controlled.sock", "undo", "bad answers")
		},
	} {
		r.Run("systemctl", "reload", "server.service")
		r.want("MainPID", old)
		successor := r.who()
		if successor == old {
			t.Fatalf("%s: the old process answers a new client", name)
		}
		r.want("StatusText", "Generation 2 serves on probation as process "+successor)
		undo(successor)
		var got string
		if !r.await(func() bool {
			got = r.show("StatusText")
			return strings.HasPrefix(got, "Serving, generation 1; the last restart failed: ")
		}) {
			t.Errorf("%s: got StatusText=%s", name, got)
		}
		if who := r.who(); who != old {
			t.Errorf("%s: process %s answers, want %s", name, who, old)
		}
		r.want("MainPID", old)
		r.want("NRestarts", "0")
		r.want("ActiveState", "active")
	}

	// A restart ends the probation, and the main process is another one then.
	r.Run("systemctl", "reload", "server.service")
	second := r.who()
	r.Run("systemctl", "reload", "server.service")
	r.want("MainPID", second)
	r.want("NRestarts", "0")

	// A stop means the service.
	third := r.who()
	if third == second || third == old {
		t.Errorf("process %s answers, which is an old one", third)
	}
	r.Run("systemctl", "stop", "server.service")
	r.want("ActiveState", "inactive")
	r.want("Result", "success")
}
