// Package nomad holds a job file for the program of ../kubernetes.
package nomad

import (
	"testing"
	"time"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsimple"

	"example.com/restart/examples/internal/manifest"
)

// A file is what hello.nomad.hcl says, as far as this test looks.
type file struct {
	Job struct {
		Name   string   `hcl:"name,label"`
		Rest   hcl.Body `hcl:",remain"`
		Groups []struct {
			Name    string   `hcl:"name,label"`
			Rest    hcl.Body `hcl:",remain"`
			Service struct {
				Rest  hcl.Body `hcl:",remain"`
				Check struct {
					Path     string   `hcl:"path"`
					Interval string   `hcl:"interval"`
					Rest     hcl.Body `hcl:",remain"`
				} `hcl:"check,block"`
			} `hcl:"service,block"`
			Task struct {
				Name        string   `hcl:"name,label"`
				KillTimeout string   `hcl:"kill_timeout"`
				KillSignal  string   `hcl:"kill_signal"`
				Rest        hcl.Body `hcl:",remain"`
				Config      struct {
					Args []string `hcl:"args"`
					Rest hcl.Body `hcl:",remain"`
				} `hcl:"config,block"`
				Template struct {
					ChangeMode   string   `hcl:"change_mode"`
					ChangeSignal string   `hcl:"change_signal"`
					Rest         hcl.Body `hcl:",remain"`
				} `hcl:"template,block"`
			} `hcl:"task,block"`
		} `hcl:"group,block"`
	} `hcl:"job,block"`
}

// A task that is killed before it has drained loses what it had begun.
func TestJobLeavesTimeToStop(t *testing.T) {
	var f file
	if err := hclsimple.DecodeFile("hello.nomad.hcl", nil, &f); err != nil {
		t.Fatal(err)
	}
	g := f.Job.Groups[0]
	grace, interval := duration(t, g.Task.KillTimeout), duration(t, g.Service.Check.Interval)
	manifest.CheckStop(t, g.Task.Config.Args, grace, interval, 1)
	if g.Service.Check.Path != "/readyz" {
		t.Errorf("the check asks for %s, want /readyz", g.Service.Check.Path)
	}
	if g.Task.KillSignal != "SIGTERM" {
		t.Errorf("got kill_signal %q; with Nomad's SIGINT a second stop would end LameDuck", g.Task.KillSignal)
	}
	if tt := g.Task.Template; tt.ChangeMode != "signal" || tt.ChangeSignal != "SIGHUP" {
		t.Errorf("a new configuration: got %q %q, want a SIGHUP", tt.ChangeMode, tt.ChangeSignal)
	}
}

func duration(t *testing.T, s string) time.Duration {
	t.Helper()
	d, err := time.ParseDuration(s)
	if err != nil {
		t.Fatal(err)
	}
	return d
}
