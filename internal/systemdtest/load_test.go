//go:build linux && !restart_portable

package systemdtest

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

// reload reloads the unit and notes which process serves then.
const reload = `#!/bin/sh
systemctl reload server.service && systemctl show --value -p MainPID server.service >>/run/pids
`

// Storm counts what its clients lose while the unit is reloaded: those that keep
// their connections from first to last, and new ones. RESTART_TEST_RELOADS, a
// number of reloads, makes the load as large as storm's own.
func TestReloadUnderLoad(t *testing.T) {
	reloads, sizes := 2, []string{"-busy", "2", "-think", "8", "-idle", "8", "-fresh", "20", "-every", "0s", "-warmup", "100ms", "-cooldown", "100ms"}
	if n := os.Getenv("RESTART_TEST_RELOADS"); n != "" {
		var err error
		if reloads, err = strconv.Atoi(n); err != nil {
			t.Fatal(err)
		}
		sizes = nil
	}
	r := bootUnit(t, controlledUnit, map[string]string{
		"controlled": "controlled", "restartctl": "../../cmd/restartctl", "storm": "../../storm/cmd/storm",
	})
	r.Put("/usr/local/bin/reload", 0o755, []byte(reload))
	r.Run("systemctl", "start", "server.service")
	first := r.show("MainPID")

	ctx, cancel := context.WithTimeout(t.Context(), 4*patience+time.Duration(reloads)*10*time.Second)
	defer cancel()
	out, err := r.command(ctx, append([]string{
		"storm", "run", "-json", "/run/report.json", "-url", "http://127.0.0.1:8080/", "-restart-cmd", "reload", "-restarts", strconv.Itoa(reloads),
	}, sizes...)).CombinedOutput()
	if err != nil {
		t.Errorf("storm: %v:\n%s", err, out)
	}
	t.Logf("%s", out)

	var report struct {
		Requests int `json:"requests"`
		Lost     int `json:"lost"`
		Kept     int `json:"kept_connections"`
		Survived int `json:"survived_connections"`
	}
	if err := json.Unmarshal([]byte(r.Run("cat", "/run/report.json")), &report); err != nil {
		t.Fatal(err)
	}
	if report.Requests == 0 || report.Lost != 0 || report.Kept == 0 || report.Survived != report.Kept {
		t.Errorf("got %+v, want nothing lost", report)
	}
	pids := append([]string{first}, strings.Fields(r.Run("cat", "/run/pids"))...)
	if distinct := slices.Compact(slices.Sorted(slices.Values(pids))); len(pids) != reloads+1 || len(distinct) != len(pids) {
		t.Errorf("got main processes %v, want another after each of %d reloads", pids, reloads)
	}
	r.want("MainPID", pids[len(pids)-1])
	r.want("StatusText", fmt.Sprintf("Serving, generation %d", reloads+1))
	r.want("NRestarts", "0")
	r.want("ActiveState", "active")
}
