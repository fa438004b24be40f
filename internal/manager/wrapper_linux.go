//go:build !restart_portable

package manager

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path"
	"strconv"
	"strings"
	"time"

	"example.com/restart/internal/spawn"
)

// A script that does not start the program with "exec" stays the main process of
// its unit, and by default systemd listens to no other. Whether that is so only
// systemd knows: NotifyAccess=all and a script that sends MAINPID are legal.

// systemSocket is the notify socket of the system's systemd; that of a user ends
// in the same way.
const systemSocket = "/run/systemd/notify"

// wrapper returns the PID of the process that systemd has started, if that is not
// this one but has started it, and the socket is systemd's. Otherwise it returns 0.
func wrapper(socket string) int {
	if _, successor := os.LookupEnv(spawn.ChannelVar); successor || !strings.HasSuffix(socket, "/systemd/notify") {
		return 0
	}
	pid, err := strconv.Atoi(os.Getenv("SYSTEMD_EXEC_PID"))
	if err != nil || pid == os.Getpid() {
		return 0
	}
	return pid
}

// askTimeout bounds how long systemd may take to answer.
const askTimeout = 5 * time.Second

// checkHeard returns an error if systemd does not listen to this process, and nil if
// it does or cannot be asked.
func (n *Notified) checkHeard() error {
	if n.wrapper == 0 {
		return nil
	}
	groups, err := os.ReadFile("/proc/self/cgroup")
	unit := unitOf(string(groups))
	if err != nil || unit == "" {
		return nil
	}
	args := []string{"show", "--property=MainPID,NotifyAccess", unit}
	if n.socket != systemSocket {
		args = append([]string{"--user"}, args...)
	}
	ctx, cancel := context.WithTimeout(context.Background(), askTimeout)
	defer cancel()
	out, err := exec.CommandContext(ctx, "systemctl", args...).Output()
	if err != nil {
		return nil
	}
	return checkNotifyAccess(unit, properties(string(out)))
}

// checkNotifyAccess does the work of checkHeard for a unit with these properties.
func checkNotifyAccess(unit string, p map[string]string) error {
	access, mainPID := p["NotifyAccess"], p["MainPID"]
	if access != "main" && access != "exec" || mainPID == "" || mainPID == "0" || mainPID == strconv.Itoa(os.Getpid()) {
		return nil
	}
	return fmt.Errorf(`systemd does not listen to this process, which is not the main process of %s: that is process %s, a script or shell. `+
		`Put "exec" before the command by which it starts the program, or name the program itself in "ExecStart=" of the [Service] section; then restart the unit`,
		unit, mainPID)
}

// unitOf returns the service that a process belongs to, by its /proc/PID/cgroup;
// empty if there is none.
func unitOf(groups string) string {
	for line := range strings.Lines(groups) {
		_, group, _ := strings.Cut(strings.TrimSpace(line), ":")
		controllers, dir, _ := strings.Cut(group, ":")
		if controllers != "" && controllers != "name=systemd" {
			continue
		}
		for ; len(dir) > 1; dir = path.Dir(dir) { // the unit may have made groups of its own
			if base := path.Base(dir); strings.HasSuffix(base, ".service") {
				return base
			}
		}
	}
	return ""
}

// properties returns what "systemctl show" prints.
func properties(lines string) map[string]string {
	p := make(map[string]string)
	for line := range strings.Lines(lines) {
		name, value, _ := strings.Cut(strings.TrimSpace(line), "=")
		p[name] = value
	}
	return p
}
