//go:build linux

package main

import (
	"net/http"
	"syscall"
	"testing"
	"time"

	"example.com/restart/examples/internal/exampletest"
)

func TestReadme(t *testing.T) { exampletest.Readme(t) }

// The main job: a new binary is put in the place of the old one, SIGHUP, the
// new code answers, and the old process finishes what it had begun.
func TestNewBinaryTakesOver(t *testing.T) {
	bin := exampletest.Build(t, "1")
	p := exampletest.Start(t, bin, "-addr", "127.0.0.1:0")
	first := p.Serving(1, 1)
	addr := first.Addr["127.0.0.1:0"]
	url := "http://" + addr
	fresh := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	kept := &http.Client{Transport: &http.Transport{}}

	if got := exampletest.Get(t, fresh, url); got.Version != "1" || got.PID != first.PID {
		t.Fatalf("before: got %+v, want version 1 and process %d", got, first.PID)
	}
	exampletest.Replace(t, bin, "2")

	// The slow request goes over a connection that has answered already, so
	// that the old process surely has it.
	exampletest.Get(t, kept, url)
	slow := exampletest.Begin(t, kept, url+"/slow?d=2s")
	begun := time.Now()
	p.Signal(first.PID, syscall.SIGHUP)

	second := p.Serving(2, 1)
	if second.PID == first.PID {
		t.Errorf("the PID is still %d", first.PID)
	}
	if got := second.Addr["127.0.0.1:0"]; got != addr {
		t.Errorf("bound to %s, want %s as before", got, addr)
	}
	if got := exampletest.AnsweredBy(t, fresh, url, second.PID); got.Version != "2" {
		t.Errorf("after: got %+v, want version 2", got)
	}
	t.Logf("the new process answered %v after the slow request began", time.Since(begun))

	if got := slow(); got.Body != "done\n" || got.PID != first.PID {
		t.Errorf("slow request: got %+v, want process %d", got, first.PID)
	}
	kept.CloseIdleConnections()
	p.Exit()

	p.Signal(second.PID, syscall.SIGTERM)
	p.Gone(second.PID)
	exampletest.Refused(t, addr)
}
