//go:build linux

package faulttest

import (
	"context"
	"encoding/json"
	"errors"
	"io/fs"
	"net/http"
	"os"
	"runtime"
	"slices"
	"syscall"

	"example.com/restart"
	"example.com/restart/internal/wire"
)

// An outcome is the error of a restart as it travels to the test.
type outcome struct {
	OK    bool
	Text  string
	Phase string   // of a *restart.RestartError
	Is    []string // names of the classes that the error is one of
}

// classes are the errors that programs look for, by name.
var classes = map[string]error{
	"restart.ErrRestarting": restart.ErrRestarting,
	"restart.ErrStopped":    restart.ErrStopped,
	"context.Canceled":      context.Canceled,
	"fs.ErrNotExist":        fs.ErrNotExist,
	"syscall.EMFILE":        syscall.EMFILE,
	"syscall.ENOEXEC":       syscall.ENOEXEC,
	"syscall.ETXTBSY":       syscall.ETXTBSY,
	"syscall.ENOENT":        syscall.ENOENT,
	"wire.ErrMagic":         wire.ErrMagic,
	"wire.ErrTruncated":     wire.ErrTruncated,
	"wire.ErrVersion":       wire.ErrVersion,
}

func outcomeOf(err error) outcome {
	if err == nil {
		return outcome{OK: true}
	}
	o := outcome{Text: err.Error()}
	for name, class := range classes {
		if errors.Is(err, class) {
			o.Is = append(o.Is, name)
		}
	}
	slices.Sort(o.Is)
	if failed, ok := errors.AsType[*restart.RestartError](err); ok {
		o.Phase = failed.Phase.String()
	}
	return o
}

// A status is what a process says of itself.
type status struct {
	PID, Generation int
	State           string
	Goroutines      int
	Last            outcome // of a restart
}

func handleControl(mux *http.ServeMux, r *restart.Restarter) {
	reply := func(w http.ResponseWriter, v any) { _ = json.NewEncoder(w).Encode(v) } // the client may be gone
	mux.HandleFunc("/restart", func(w http.ResponseWriter, _ *http.Request) {
		<-r.Serving() // one service may answer before the next one accepts
		reply(w, outcomeOf(r.Restart(context.Background())))
	})
	mux.HandleFunc("/cancel", func(w http.ResponseWriter, _ *http.Request) { reply(w, r.CancelRestart()) })
	mux.HandleFunc("/undo", func(w http.ResponseWriter, _ *http.Request) { reply(w, outcomeOf(r.Undo("the graphs are red"))) })
	mux.HandleFunc("/status", func(w http.ResponseWriter, _ *http.Request) {
		st := r.Status()
		reply(w, status{os.Getpid(), st.Generation, st.State.String(), runtime.NumGoroutine(), outcomeOf(st.LastError)})
	})
}
