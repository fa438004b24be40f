//go:build linux && !restart_portable

package systemdtest

import (
	"context"
	"strings"
	"testing"
	"time"
)

const unit = `[Service]
Type=notify
ExecStart=/usr/local/bin/server
ExecReload=/usr/local/bin/server reload
Restart=on-failure
RestartSec=1s
WatchdogSec=2s
FileDescriptorStoreMax=16
`

// bootServer boots a rig with the server as a unit that runs.
func bootServer(t *testing.T) *Rig {
	t.Helper()
	r := bootUnit(t, unit, map[string]string{"server": "server"})
	r.Run("systemctl", "start", "server.service")
	return r
}

func (r *Rig) show(property string) string {
	r.t.Helper()
	return r.Run("systemctl", "show", "--value", "-p", property, "server.service")
}

func (r *Rig) want(property, want string) {
	r.t.Helper()
	if got := r.show(property); got != want {
		r.t.Errorf("got %s=%s, want %s", property, got, want)
	}
}

// watchdog returns when the last sign of life came, by systemd's clock.
func (r *Rig) watchdog() time.Duration {
	r.t.Helper()
	d, err := time.ParseDuration(r.show("WatchdogTimestampMonotonic") + "us")
	if err != nil {
		r.t.Fatal(err)
	}
	return d
}

// awaitConn waits until a client is connected.
func (r *Rig) awaitConn() {
	r.t.Helper()
	r.Await("1", "sh", "-c", "ss -Htn state established sport = :8080 | wc -l")
}

// start starts a command inside and returns a function that waits for what it
// prints.
func (r *Rig) start(command ...string) (wait func() (string, error)) {
	type result struct {
		out string
		err error
	}
	results := make(chan result, 1)
	go func() {
		ctx, cancel := context.WithTimeout(context.Background(), 2*patience)
		defer cancel()
		out, err := r.command(ctx, command).CombinedOutput()
		results <- result{strings.TrimSpace(string(out)), err}
	}()
	return func() (string, error) { res := <-results; return res.out, res.err }
}

func TestUnderSystemd(t *testing.T) {
	r := bootServer(t)

	// Reloads wait, lose nothing, and systemd follows each.
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
	r.want("NRestarts", "0")
	r.want("ActiveState", "active")
	r.want("StatusText", "Serving, generation 7")
	r.want("NFileDescriptorStore", "2")
	if journal := r.Run("journalctl", "--no-pager", "-u", "server.service"); strings.Contains(journal, "not our child") || strings.Contains(journal, "reception only permitted") {
		t.Errorf("systemd complains:\n%s", journal)
	}

	// One to a broken binary fails, and says why.
	r.Put("/run/server.broken", 0o644, []byte("no such plugin"))
	if out, err := r.Try("systemctl", "reload", "server.service"); err == nil {
		t.Errorf("a reload to a broken program succeeds: %s", out)
	}
	r.want("MainPID", pid)
	if got := r.show("StatusText"); !strings.HasPrefix(got, "Serving, generation 7; the last restart failed") || !strings.Contains(got, "no such plugin") {
		t.Errorf("got StatusText=%s", got)
	}
	r.Run("rm", "/run/server.broken")
	r.Put("/run/load.quit", 0o644, nil)
	if out, err := loaded(); err != nil {
		t.Errorf("load: %v: %s", err, out)
	}

	// The watchdog waits for two seconds.
	begun := r.watchdog()
	if !r.await(func() bool { return r.watchdog() > begun+3*time.Second }) {
		t.Error("no signs of life")
	}
	r.want("NRestarts", "0")

	// Killed, it is started again, and a client that comes meanwhile waits in the
	// queue of the stored socket.
	r.Run("kill", "-KILL", pid)
	answer := r.Run("/usr/local/bin/server", "ask")
	r.Await("active", "systemctl", "is-active", "server.service")
	r.want("MainPID", answer)
	r.want("NRestarts", "1")

	// Also while its predecessor drains.
	asked := r.start("/usr/local/bin/server", "ask")
	r.awaitConn()
	r.Run("systemctl", "reload", "server.service")
	r.Run("kill", "-KILL", r.show("MainPID"))
	if out, err := asked(); err != nil || out != answer {
		t.Errorf("got %q, %v, want %s", out, err, answer)
	}
	r.Await("2", "systemctl", "show", "--value", "-p", "NRestarts", "server.service")
	r.Await("active", "systemctl", "is-active", "server.service")

	// systemd keeps the sockets when it stops and starts the service. The Unix socket,
	// by which the reload asks, has lost its file and is bound anew.
	r.Run("systemctl", "restart", "server.service")
	r.Run("systemctl", "reload", "server.service")
	r.want("NFileDescriptorStore", "2")

	// The file of a socket that was in the store is removed at the stop.
	r.Run("kill", "-KILL", r.show("MainPID"))
	r.Run("/usr/local/bin/server", "ask")
	r.Await("active", "systemctl", "is-active", "server.service")

	// A stop waits for what was begun, also after a restart.
	r.Run("systemctl", "reload", "server.service")
	pid = r.show("MainPID")
	asked = r.start("/usr/local/bin/server", "ask")
	r.awaitConn()
	r.Run("systemctl", "stop", "server.service")
	if out, err := asked(); err != nil || out != pid {
		t.Errorf("got %q, %v, want %s", out, err, pid)
	}
	r.want("Result", "success")
	r.want("ActiveState", "inactive")
	if out, err := r.Try("ls", "/run/server.sock"); err == nil {
		t.Errorf("the file of the Unix socket is left: %s", out)
	}
}

// A unit that cannot work, and one with a socket unit.
func TestOtherUnits(t *testing.T) {
	r := bootServer(t)
	r.Run("systemctl", "stop", "server.service")
	pid := func(unit string) string {
		t.Helper()
		return r.Run("systemctl", "show", "--value", "-p", "MainPID", unit)
	}

	r.Put("/etc/systemd/system/plain.service", 0o644, []byte("[Service]\nExecStart=/usr/local/bin/server\nExecReload=/usr/local/bin/server reload\n"))
	r.Run("systemctl", "daemon-reload")
	r.Run("systemctl", "start", "plain.service")
	old := pid("plain.service")
	if !r.await(func() bool { answer, err := r.Try("/usr/local/bin/server", "ask"); return err == nil && answer == old }) {
		t.Error("no answer")
	}
	if out, err := r.Try("systemctl", "reload", "plain.service"); err == nil {
		t.Errorf("a reload of a unit that cannot work succeeds: %s", out)
	}
	if journal := r.Run("journalctl", "--no-pager", "-u", "plain.service"); !strings.Contains(journal, `set "Type=notify"`) {
		t.Errorf("the journal does not say what to do:\n%s", journal)
	}
	if got := r.Run("/usr/local/bin/server", "ask"); got != old {
		t.Errorf("got answer %s, want %s", got, old)
	}
	r.Run("systemctl", "stop", "plain.service")

	r.Put("/etc/systemd/system/server.socket", 0o644, []byte("[Socket]\nListenStream=127.0.0.1:8080\nFileDescriptorName=web\n"))
	r.Put("/etc/systemd/system/server.service", 0o644, []byte(unit+"[Unit]\nRequires=server.socket\n"))
	r.Run("systemctl", "daemon-reload")
	r.Run("systemctl", "start", "server.socket")
	for range 2 {
		if got := r.Run("/usr/local/bin/server", "ask"); got != pid("server.service") { // which starts it
			t.Errorf("got answer %s, want %s", got, pid("server.service"))
		}
		r.Run("systemctl", "reload", "server.service")
		if got := r.Run("/usr/local/bin/server", "ask"); got != pid("server.service") {
			t.Errorf("got answer %s, want %s", got, pid("server.service"))
		}
		r.Run("systemctl", "stop", "server.service")
	}
}
