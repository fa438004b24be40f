//go:build linux && !restart_portable

package systemdtest

import (
	"strings"
	"testing"
)

// From version 253 on systemd itself asks for the restart, and waits for its end.
func TestNotifyReload(t *testing.T) {
	r := bootServer(t)
	r.Run("systemctl", "stop", "server.service")
	r.Put("/etc/systemd/system/server.service", 0o644, []byte(strings.NewReplacer(
		"Type=notify\n", "Type=notify-reload\n",
		"ExecReload=/usr/local/bin/server reload\n", "",
	).Replace(unit)))
	r.Run("systemctl", "daemon-reload")
	r.Run("systemctl", "start", "server.service")
	if r.show("Type") != "notify-reload" {
		t.Skipf("%s has no notify-reload; set RESTART_TEST_SYSTEMD to a newer one", strings.SplitN(r.Run("systemctl", "--version"), "\n", 2)[0])
	}
	loaded := r.start("/usr/local/bin/server", "load")
	pid := r.show("MainPID")
	for range 6 {
		r.Run("systemctl", "reload", "server.service")
		next := r.show("MainPID")
		if next == pid {
			t.Fatal("the reload has not replaced the process")
		}
		pid = next
	}
	r.want("StatusText", "Serving, generation 7")

	// A restart that fails ends the reload, though with success.
	r.Put("/run/server.broken", 0o644, []byte("no such plugin"))
	r.Run("systemctl", "reload", "server.service")
	r.want("MainPID", pid)
	if got := r.show("StatusText"); !strings.Contains(got, "no such plugin") {
		t.Errorf("got StatusText=%s", got)
	}
	r.Put("/run/load.quit", 0o644, nil)
	if out, err := loaded(); err != nil {
		t.Errorf("load: %v: %s", err, out)
	}
	r.want("NRestarts", "0")
	r.want("ActiveState", "active")
}
