package metrics

import (
	"github.com/prometheus/client_golang/prometheus"

	"example.com/restart"
)

var (
	restarts = prometheus.NewDesc("restart_restarts_total",
		"Restarts since the last start from cold, by result: replaced, failed, refused, vetoed or undone.", []string{"result"}, nil)
	phases = prometheus.NewDesc("restart_phase_duration_seconds",
		"How long the phases of restarts took that ended well.", []string{"phase"}, nil)
)

// A statusMetric is a gauge whose value a Status has, or several for the values of a label.
type statusMetric struct {
	desc    *prometheus.Desc
	collect func(s restart.Status, emit func(v float64, labels ...string))
}

func gauge(name, help string, collect func(restart.Status, func(float64, ...string)), labels ...string) statusMetric {
	return statusMetric{prometheus.NewDesc(name, help, labels, nil), collect}
}

var states = []restart.State{
	restart.StateNew, restart.StateStarting, restart.StateServing,
	restart.StateRestarting, restart.StateProbation, restart.StateLameDuck,
	restart.StateDraining, restart.StateStopped,
}

var gauges = []statusMetric{
	gauge("restart_generation", "The number of this generation, from 1.",
		func(s restart.Status, emit func(float64, ...string)) { emit(float64(s.Generation)) }),
	gauge("restart_info", "Always 1. The label is the version of the program.",
		func(s restart.Status, emit func(float64, ...string)) { emit(1, s.Version) }, "version"),
	gauge("restart_state", "1 for the state that this process is in, 0 for the others.",
		func(s restart.Status, emit func(float64, ...string)) {
			for _, state := range states {
				is := 0.0
				if state == s.State {
					is = 1
				}
				emit(is, state.String())
			}
		}, "state"),
	gauge("restart_serving_start_time_seconds", "When this process began to serve, in seconds since 1970. Missing before.",
		func(s restart.Status, emit func(float64, ...string)) {
			if !s.Since.IsZero() {
				emit(float64(s.Since.UnixNano()) / 1e9)
			}
		}),
	gauge("restart_connections", "Open connections by listener, hijacked ones too.",
		func(s restart.Status, emit func(float64, ...string)) {
			for _, l := range s.Listeners {
				emit(float64(l.Connections), l.Name)
			}
		}, "listener"),
	gauge("restart_draining_generations", "Earlier generations whose processes have not ended.",
		func(s restart.Status, emit func(float64, ...string)) { emit(float64(len(s.Draining))) }),
	gauge("restart_draining_connections", "Open connections of earlier generations, as far as they are known.",
		func(s restart.Status, emit func(float64, ...string)) {
			n := 0
			for _, e := range s.Draining {
				n += max(0, e.Connections)
			}
			emit(float64(n))
		}),
}

// A connMetric counts connections of this process and of earlier generations.
type connMetric struct {
	desc  *prometheus.Desc
	count func(s restart.Status, earlier connections) float64
}

func counter(name, help string, count func(restart.Status, connections) float64) connMetric {
	return connMetric{prometheus.NewDesc(name, help, nil, nil), count}
}

var connCounters = []connMetric{
	counter("restart_connections_adopted_total", "Connections that a successor has taken over.",
		func(s restart.Status, c connections) float64 { return c.Adopted + float64(s.Adopted) }),
	counter("restart_connections_handed_over_total", "Connections that a draining process has handed over.",
		func(s restart.Status, c connections) float64 { return c.HandedOver + float64(s.HandedOver) }),
	counter("restart_connections_announced_total", "Connections that could not move and were told to close.",
		func(s restart.Status, c connections) float64 { return c.Announced + float64(s.Announced) }),
	counter("restart_connections_cut_total", "Connections that the hammer has closed.",
		func(s restart.Status, c connections) float64 { return c.Cut + float64(s.Cut) }),
}
