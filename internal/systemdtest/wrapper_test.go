//go:build linux && !restart_portable

package systemdtest

import (
	"fmt"
	"strings"
	"testing"
)

// wrapped is a unit whose main process is another than the web server, unless the
// command says "exec".
const wrapped = `[Service]
Type=%s
NotifyAccess=%s
ExecStart=%s
ExecReload=/usr/local/bin/restartctl --socket /run/controlled.sock restart
`

// A script that starts the program is what systemd listens to. Where that cannot
// work, the journal and the restart say what to write; elsewhere nobody says
// anything.
func TestScriptUnderSystemd(t *testing.T) {
	r := bootUnit(t, controlledUnit, map[string]string{
		"controlled": "controlled", "restartctl": "../../cmd/restartctl", "restart-keeper": "../../cmd/restart-keeper",
	})
	const advice = "which is not the main process of server.service"
	journal := func() string {
		t.Helper()
		return r.Run("journalctl", "--no-pager", "-b", "-u", "server.service")
	}
	for name, tt := range map[string]struct{ kind, access, command string }{
		"all":    {"notify", "all", `/bin/sh -c 'controlled; true'`},
		"exec":   {"notify", "main", `/bin/sh -c 'true; exec controlled'`},
		"keeper": {"notify", "main", `/usr/local/bin/restart-keeper -- controlled`},
	} {
		r.install(fmt.Sprintf(wrapped, tt.kind, tt.access, tt.command))
		r.Run("systemctl", "start", "server.service")
		old := r.who()
		r.Run("systemctl", "reload", "server.service")
		if now := r.who(); now == old {
			t.Errorf("%s: the reload has not replaced the process", name)
		}
		r.Run("systemctl", "stop", "server.service")
		if got := journal(); strings.Contains(got, advice) {
			t.Errorf("%s: the journal complains:\n%s", name, got)
		}
	}

	// It is not ready, ever.
	r.install(fmt.Sprintf(wrapped, "notify", "main", `/bin/sh -c 'controlled; true'`))
	r.Run("systemctl", "start", "--no-block", "server.service")
	if !r.await(func() bool { return strings.Contains(journal(), advice) }) {
		t.Errorf("the journal does not say what to do:\n%s", journal())
	}
	r.want("ActiveState", "activating")
	r.Run("systemctl", "stop", "server.service")

	// It serves, and a restart would end the unit.
	r.install(fmt.Sprintf(wrapped, "simple", "main", `/bin/sh -c 'controlled; true'`))
	r.Run("systemctl", "start", "server.service")
	if !r.await(func() bool {
		_, err := r.Try("restartctl", "--socket", "/run/controlled.sock", "status")
		return err == nil
	}) {
		t.Fatal("no answer")
	}
	old := r.who()
	out, err := r.Try("restartctl", "--socket", "/run/controlled.sock", "restart")
	if err == nil || !strings.Contains(out, advice) {
		t.Errorf("got %v: %s, want what to do", err, out)
	}
	if now := r.who(); now != old {
		t.Errorf("process %s answers, want %s", now, old)
	}
	r.Run("systemctl", "stop", "server.service")
}
