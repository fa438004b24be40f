package main

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"flag"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"runtime"
	"runtime/debug"

	"example.com/restart"
	restarthttp "example.com/restart/http"
	"example.com/restart/storm/endpoints"
)

// serve is the server that is restarted: plain HTTP and TLS, and a Unix socket that answers with a sample.
func serve(args []string) error {
	flags := flag.NewFlagSet("serve", flag.ExitOnError)
	addr := flags.String("addr", "", "TCP `address` of plain HTTP")
	tlsAddr := flags.String("tls-addr", "", "TCP `address` of TLS")
	stats := flags.String("stats", "", "`path` of the socket for samples")
	_ = flags.Parse(args) // exits
	r, err := restart.New(restart.Options{Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		return err
	}
	certificate, err := endpoints.Certificate()
	if err != nil {
		return err
	}
	handler := endpoints.Handler("endurance")
	plain := restarthttp.Wrap(&http.Server{Handler: handler})
	if _, err := r.Add("plain", "tcp", *addr, plain); err != nil {
		return err
	}
	config := &tls.Config{Certificates: []tls.Certificate{certificate}}
	encrypted := &restarthttp.Server{HTTP: &http.Server{Handler: handler, TLSConfig: config}, TLS: true, MoveTLS: true}
	if _, err := r.Add("tls", "tcp", *tlsAddr, encrypted); err != nil {
		return err
	}
	if _, err := r.Add("stats", "unix", *stats, restarthttp.Wrap(&http.Server{Handler: http.HandlerFunc(serveSample)})); err != nil {
		return err
	}
	return r.Run(context.Background())
}

// A sample is what one process uses.
type sample struct {
	PID, Files, Goroutines int
	Heap, Resident         uint64 // bytes
}

func serveSample(w http.ResponseWriter, _ *http.Request) {
	s, err := takeSample()
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	_ = json.NewEncoder(w).Encode(s)
}

func takeSample() (sample, error) {
	files, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		return sample{}, err
	}
	debug.FreeOSMemory() // collects, too
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	s := sample{PID: os.Getpid(), Files: len(files), Goroutines: runtime.NumGoroutine(), Heap: m.HeapAlloc}
	const statm = "/proc/self/statm"
	b, err := os.ReadFile(statm)
	if err != nil {
		return sample{}, err
	}
	var size, resident uint64
	if _, err := fmt.Sscan(string(b), &size, &resident); err != nil {
		return sample{}, fmt.Errorf("read %s: %w", statm, err)
	}
	s.Resident = resident * uint64(os.Getpagesize())
	return s, nil
}
