package metrics_test

import (
	"context"
	"log"
	"net/http"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"example.com/restart"
	restarthttp "example.com/restart/http"
	"example.com/restart/metrics"
)

// A program with metrics at :9090/metrics, whose counts outlive restarts.
func ExampleCollector_Carry() {
	r, err := restart.New(restart.Options{})
	if err != nil {
		log.Fatal(err)
	}
	collector := metrics.New(r)
	prometheus.MustRegister(collector)

	mux := http.NewServeMux()
	mux.Handle("/metrics", promhttp.Handler())
	server := restarthttp.Wrap(&http.Server{Handler: mux})
	if _, err := r.Add("metrics", "tcp", ":9090", collector.Carry(server)); err != nil {
		log.Fatal(err)
	}
	if _, err := r.Add("web", "tcp", ":8080", restarthttp.Wrap(&http.Server{})); err != nil {
		log.Fatal(err)
	}
	if err := r.Run(context.Background()); err != nil {
		log.Fatal(err)
	}
}
