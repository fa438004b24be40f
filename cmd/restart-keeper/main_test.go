//go:build linux && !restart_portable

package main

import (
	"strings"
	"testing"

	"example.com/restart/internal/keeper"
)

func TestCommandLine(t *testing.T) {
	for name, tt := range map[string]struct {
		args           []string
		status         int
		stdout, stderr string
	}{
		"help":              {[]string{"-h"}, 0, "Exit status", ""},
		"no program":        {[]string{"--"}, keeper.StatusFailed, "", "no program to start"},
		"unknown flag":      {[]string{"-x", "app"}, keeper.StatusFailed, "", "-x"},
		"no crash at all":   {[]string{"-crash-limit", "0", "app"}, keeper.StatusFailed, "", "-crash-limit 0"},
		"a time before now": {[]string{"-kill-after", "-1s", "app"}, keeper.StatusFailed, "", "must not be negative"},
		"no level":          {[]string{"-log-level", "loud", "app"}, keeper.StatusFailed, "", "log-level"},
	} {
		t.Run(name, func(t *testing.T) {
			var stdout, stderr strings.Builder
			if got := run(tt.args, &stdout, &stderr); got != tt.status {
				t.Errorf("got status %d, want %d", got, tt.status)
			}
			if !strings.Contains(stdout.String(), tt.stdout) || !strings.Contains(stderr.String(), tt.stderr) || (stderr.Len() > 0) != (tt.stderr != "") {
				t.Errorf("got %q and %q", stdout.String(), stderr.String())
			}
		})
	}
}
