//go:build linux

package restart

import (
	"os"
	"path/filepath"
	"testing"

	"example.com/restart/internal/wire"
)

// A successor that had written the PID file already and then failed.
func TestPIDFileIsTakenBack(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.pid")
	x := start(t, Options{PIDFile: path}, spawning(t, func(p *peer) {
		p.manifest()
		p.ready()
		p.want(wire.TypeCommit, nil)
		if err := os.WriteFile(path, []byte("1\n"), 0o644); err != nil {
			p.fatalf("%v", err)
		}
		p.send(wire.TypeCommitted, wire.Committed{})
		p.want(wire.TypeGo, nil) // and dies
	})).serving()
	if err := x.r.Restart(t.Context()); err == nil {
		t.Error("got no error")
	}
	if !ownsPIDFile(path) {
		t.Error("the PID file still names the successor that failed")
	}
	x.answers("old")
}

// A cold start that cannot write its PID file does not serve.
func TestRunWithoutPIDFileFails(t *testing.T) {
	x := start(t, Options{PIDFile: "/proc/x.pid"}, spawning(t))
	if err := x.returned(); err == nil {
		t.Error("got no error")
	}
	if x.log.count("to=serving") != 0 {
		t.Error("it served")
	}
}
