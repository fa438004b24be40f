//go:build linux

package metrics_test

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"os"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"example.com/restart"
	restarthttp "example.com/restart/http"
	"example.com/restart/metrics"
	"example.com/restart/restarttest"
)

// program returns a Setup with metrics, and the registry of its generation.
func program() (restarttest.Setup, *prometheus.Registry) {
	registry := prometheus.NewRegistry()
	return func(r *restart.Restarter) error {
		c := metrics.New(r)
		registry.MustRegister(c)
		server := restarthttp.Wrap(&http.Server{Handler: promhttp.HandlerFor(registry, promhttp.HandlerOpts{})})
		_, err := r.Add("metrics", "tcp", "127.0.0.1:0", c.Carry(server))
		return err
	}, registry
}

func start(t *testing.T) (*restarttest.Program, *restarttest.Generation, *prometheus.Registry) {
	t.Helper()
	p := restarttest.New(t, restart.Options{Version: "1.2"})
	setup, registry := program()
	return p, p.Start(setup), registry
}

func compare(t *testing.T, registry *prometheus.Registry, names []string, want string) {
	t.Helper()
	if err := testutil.GatherAndCompare(registry, strings.NewReader(want), names...); err != nil {
		t.Error(err)
	}
}

func TestServing(t *testing.T) {
	_, _, registry := start(t)
	compare(t, registry, []string{
		"restart_generation", "restart_info", "restart_state", "restart_restarts_total", "restart_connections",
		"restart_draining_generations", "restart_draining_connections", "restart_connections_cut_total",
	}, `
# HELP restart_connections Open connections by listener, hijacked ones too.
# TYPE restart_connections gauge
restart_connections{listener="metrics"} 0
# HELP restart_connections_cut_total Connections that the hammer has closed.
# TYPE restart_connections_cut_total counter
restart_connections_cut_total 0
# HELP restart_draining_connections Open connections of earlier generations, as far as they are known.
# TYPE restart_draining_connections gauge
restart_draining_connections 0
# HELP restart_draining_generations Earlier generations whose processes have not ended.
# TYPE restart_draining_generations gauge
restart_draining_generations 0
# HELP restart_generation The number of this generation, from 1.
# TYPE restart_generation gauge
restart_generation 1
# HELP restart_info Always 1. The label is the version of the program.
# TYPE restart_info gauge
restart_info{version="1.2"} 1
# HELP restart_restarts_total Restarts since the last start from cold, by result: replaced, failed, refused, vetoed or undone.
# TYPE restart_restarts_total counter
restart_restarts_total{result="failed"} 0
restart_restarts_total{result="refused"} 0
restart_restarts_total{result="replaced"} 0
restart_restarts_total{result="undone"} 0
restart_restarts_total{result="vetoed"} 0
# HELP restart_state 1 for the state that this process is in, 0 for the others.
# TYPE restart_state gauge
restart_state{state="draining"} 0
restart_state{state="lameduck"} 0
restart_state{state="new"} 0
restart_state{state="probation"} 0
restart_state{state="restarting"} 0
restart_state{state="serving"} 1
restart_state{state="starting"} 0
restart_state{state="stopped"} 0
`)
}

// values returns those of a metric by the value of its label, "" without one; of a
// histogram the counts.
func values(t *testing.T, registry *prometheus.Registry, name string) map[string]float64 {
	t.Helper()
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	got := make(map[string]float64)
	for _, f := range families {
		if f.GetName() != name {
			continue
		}
		for _, m := range f.GetMetric() {
			label := ""
			for _, l := range m.GetLabel() {
				label = l.GetValue()
			}
			got[label] = m.GetGauge().GetValue() + m.GetCounter().GetValue() + float64(m.GetHistogram().GetSampleCount())
		}
	}
	return got
}

// until polls: nothing announces when counts have come.
func until(t *testing.T, what string, ok func() bool) {
	t.Helper()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for bound := time.Now().Add(15 * time.Second); !ok(); <-tick.C {
		if time.Now().After(bound) {
			t.Fatalf("waited in vain for %s", what)
		}
	}
}

// What one generation has counted the next ones count on.
func TestCountsMove(t *testing.T) {
	p, first, registry := start(t)
	if _, err := p.Restart(func(*restart.Restarter) error { return errors.New("broken") }); err == nil {
		t.Fatal("got no error")
	}
	until(t, "the failure to be counted", func() bool { return values(t, registry, "restart_restarts_total")["failed"] == 1 })
	transport := &http.Transport{}
	defer transport.CloseIdleConnections()
	client := &http.Client{Transport: transport}
	scrape := func() string {
		resp, err := client.Get("http://" + p.Addr("metrics") + "/metrics")
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		b, err := io.ReadAll(resp.Body)
		if err != nil {
			t.Fatal(err)
		}
		return string(b)
	}
	scrape() // leaves an idle connection
	for i := range 3 {
		setup, next := program()
		g, err := p.Restart(setup)
		if err != nil {
			t.Fatal(err)
		}
		if err := first.Wait(); err != nil {
			t.Error(err)
		}
		first, registry = g, next
		want := float64(i + 1)
		until(t, "the phases of the restart", func() bool { return values(t, next, "restart_phase_duration_seconds")["go"] == want })
		got := values(t, next, "restart_restarts_total")
		if got["failed"] != 1 || got["replaced"] != want || got["refused"] != 0 {
			t.Errorf("restart %d: got %v, want 1 failed and %v replaced", i+1, got, want)
		}
		if got := values(t, next, "restart_phase_duration_seconds")["prepare"]; got != want+1 {
			t.Errorf("restart %d: got phase prepare %v times, want %v", i+1, got, want+1)
		}
		// The idle connection has moved once more.
		for _, name := range []string{"restart_connections_adopted_total", "restart_connections_handed_over_total"} {
			until(t, name, func() bool { return values(t, next, name)[""] == want })
		}
		if got := scrape(); !strings.Contains(got, "restart_generation "+string(rune('2'+i))) {
			t.Errorf("restart %d: got\n%s", i+1, got)
		}
	}
}

func TestResults(t *testing.T) {
	p := restarttest.New(t, restart.Options{})
	setup, registry := program()
	p.Start(setup)
	count := func(result string) float64 { return values(t, registry, "restart_restarts_total")[result] }
	hook := func(context.Context, os.Signal) error { return errors.New("not now") }
	if err := p.Latest().Before(syscall.SIGHUP, hook); err != nil {
		t.Fatal(err)
	}
	if _, err := p.Restart(setup); err == nil {
		t.Fatal("got no error")
	}
	until(t, "the veto to be counted", func() bool { return count("vetoed") == 1 })
	if count("failed") != 0 || count("refused") != 0 {
		t.Error("a veto is counted twice")
	}

	memory := restarttest.NewInMemory(t, restart.Options{})
	setup, registry = program()
	memory.Start(setup).Signal(syscall.SIGHUP)
	until(t, "the refusal to be counted", func() bool { return count("refused") == 1 })
}

func TestLint(t *testing.T) {
	p, _, registry := start(t)
	if _, err := p.Restart(func(*restart.Restarter) error { return errors.New("broken") }); err == nil {
		t.Fatal("got no error")
	}
	problems, err := testutil.GatherAndLint(registry)
	if err != nil || len(problems) > 0 {
		t.Errorf("got %v, %v", problems, err)
	}
}

// names returns those that the collector exports.
func names(t *testing.T) []string {
	t.Helper()
	_, _, registry := start(t)
	descs := make(chan *prometheus.Desc, 100)
	registry.Describe(descs)
	close(descs)
	var all []string
	for d := range descs {
		all = append(all, regexp.MustCompile(`fqName: "(\w+)"`).FindStringSubmatch(d.String())[1])
	}
	if len(all) < 10 {
		t.Fatalf("found only %q", all)
	}
	return all
}

var word = regexp.MustCompile(`\brestart_\w+`)

// The dashboard asks for nothing that is not there, and shows everything that is.
func TestDashboard(t *testing.T) {
	b, err := os.ReadFile("grafana.json")
	if err != nil {
		t.Fatal(err)
	}
	var dashboard struct {
		Title  string
		Panels []struct {
			Title   string
			Targets []struct{ Expr string }
		}
	}
	if err := json.Unmarshal(b, &dashboard); err != nil {
		t.Fatal(err)
	}
	exported := names(t)
	var shown []string
	for _, panel := range dashboard.Panels {
		if len(panel.Targets) == 0 {
			t.Errorf("panel %q shows nothing", panel.Title)
		}
		for _, target := range panel.Targets {
			found := word.FindAllString(target.Expr, -1)
			if len(found) == 0 {
				t.Errorf("panel %q: %q asks for no metric", panel.Title, target.Expr)
			}
			for _, name := range found {
				name = histogramSuffix.ReplaceAllString(name, "")
				shown = append(shown, name)
				if !slices.Contains(exported, name) {
					t.Errorf("panel %q asks for %s, which does not exist", panel.Title, name)
				}
			}
		}
	}
	for _, name := range exported {
		if !slices.Contains(shown, name) {
			t.Errorf("the dashboard does not show %s", name)
		}
	}
}

var histogramSuffix = regexp.MustCompile(`_(bucket|sum|count)$`)

// README.md has a row for each metric, and none for others.
func TestReadmeListsTheMetrics(t *testing.T) {
	b, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	exported := names(t)
	var rows []string
	for _, m := range regexp.MustCompile("(?m)^\\| `(restart_\\w+)").FindAllStringSubmatch(string(b), -1) {
		rows = append(rows, m[1])
		if !slices.Contains(exported, m[1]) {
			t.Errorf("README.md lists %s, which does not exist", m[1])
		}
	}
	for _, name := range exported {
		if !slices.Contains(rows, name) {
			t.Errorf("README.md does not list %s", name)
		}
	}
}
