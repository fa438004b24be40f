//go:build linux

package main

import (
	"bytes"
	"errors"
	"io"
	"os"
	"slices"
	"testing"
	"time"

	"github.com/goccy/go-yaml"

	"example.com/restart"
	"example.com/restart/examples/internal/exampletest"
	"example.com/restart/examples/internal/manifest"
)

func TestReadme(t *testing.T) { exampletest.Readme(t) }

// An object is what hello.yaml says, as far as this test looks.
type object struct {
	Kind     string
	Metadata struct{ Name string }
	Data     map[string]string
	Spec     struct {
		Selector yaml.MapSlice
		Ports    []struct {
			TargetPort string `yaml:"targetPort"`
		}
		Template struct {
			Metadata struct{ Labels map[string]string }
			Spec     pod
		}
	}
}

type pod struct {
	Grace                 int   `yaml:"terminationGracePeriodSeconds"`
	ShareProcessNamespace *bool `yaml:"shareProcessNamespace"`
	Containers            []container
	Volumes               []struct {
		Name      string
		ConfigMap struct{ Name string } `yaml:"configMap"`
	}
}

type container struct {
	Args  []string
	Ports []struct {
		Name          string
		ContainerPort int `yaml:"containerPort"`
	}
	StartupProbe   probe `yaml:"startupProbe"`
	ReadinessProbe probe `yaml:"readinessProbe"`
	LivenessProbe  probe `yaml:"livenessProbe"`
	VolumeMounts   []struct {
		Name      string
		MountPath string `yaml:"mountPath"`
		SubPath   string `yaml:"subPath"`
	} `yaml:"volumeMounts"`
}

type probe struct {
	HTTPGet          struct{ Path, Port string } `yaml:"httpGet"`
	PeriodSeconds    int                         `yaml:"periodSeconds"`
	FailureThreshold int                         `yaml:"failureThreshold"`
}

func readManifest(t *testing.T) map[string]object {
	t.Helper()
	b, err := os.ReadFile("hello.yaml")
	if err != nil {
		t.Fatal(err)
	}
	objects := make(map[string]object)
	for d := yaml.NewDecoder(bytes.NewReader(b)); ; {
		var o object
		switch err := d.Decode(&o); {
		case errors.Is(err, io.EOF):
			return objects
		case err != nil:
			t.Fatal(err)
		}
		objects[o.Kind] = o
	}
}

// A pod that is killed before it has drained loses what it had begun.
func TestManifestLeavesTimeToStop(t *testing.T) {
	p := readManifest(t)["Deployment"].Spec.Template.Spec
	c := p.Containers[0]
	ready := c.ReadinessProbe
	manifest.CheckStop(t, c.Args, seconds(p.Grace), seconds(ready.PeriodSeconds), ready.FailureThreshold)
	if got, want := manifest.Flag(t, c.Args, "-hammer"), restart.DefaultHammerTime; got != want {
		t.Errorf("-hammer is %v; the comments and docs/kubernetes.md reckon with the default, %v", got, want)
	}
}

func seconds(n int) time.Duration { return time.Duration(n) * time.Second }

// What refers to something refers to something that is there.
func TestManifestFitsTogether(t *testing.T) {
	m := readManifest(t)
	deployment, service, configMap := m["Deployment"], m["Service"], m["ConfigMap"]
	p := deployment.Spec.Template.Spec
	c := p.Containers[0]
	for name, probe := range map[string]probe{"startup": c.StartupProbe, "readiness": c.ReadinessProbe, "liveness": c.LivenessProbe} {
		want := "/readyz"
		if name == "liveness" {
			want = "/livez" // a pod must not be killed because it is to stop
		}
		if probe.HTTPGet.Path != want || probe.HTTPGet.Port != c.Ports[0].Name {
			t.Errorf("%s probe: got %+v, want %s on port %s", name, probe.HTTPGet, want, c.Ports[0].Name)
		}
	}
	if got := service.Spec.Ports[0].TargetPort; got != c.Ports[0].Name {
		t.Errorf("the service sends to port %q, the container has %q", got, c.Ports[0].Name)
	}
	for _, item := range service.Spec.Selector {
		if got := deployment.Spec.Template.Metadata.Labels[item.Key.(string)]; got != item.Value {
			t.Errorf("the service selects %v=%v, the pod has %q", item.Key, item.Value, got)
		}
	}
	mount := c.VolumeMounts[0]
	if mount.Name != p.Volumes[0].Name || mount.SubPath != "" || p.Volumes[0].ConfigMap.Name != configMap.Metadata.Name {
		t.Errorf("the configuration is not mounted so that it can change: %+v, %+v", mount, p.Volumes)
	}
	if !slices.Contains(c.Args, mount.MountPath+"/config.json") || configMap.Data["config.json"] == "" {
		t.Errorf("the arguments %q do not name what is mounted at %s", c.Args, mount.MountPath)
	}
	if p.ShareProcessNamespace != nil {
		t.Error("with a shared process namespace the program is not PID 1, and does not keep its PID by itself")
	}
}
