//go:build unix

package restart_test

import (
	"context"
	"encoding/json"
	"log"
	"os"
	"syscall"

	"example.com/restart"
)

// A hook on a signal that does nothing of its own: it prints what is served.
func ExampleRestarter_After_signal() {
	r, err := restart.New(restart.Options{})
	if err != nil {
		log.Fatal(err)
	}
	r.After(syscall.SIGUSR1, func(context.Context, os.Signal) error {
		return json.NewEncoder(os.Stderr).Encode(r.Status().Listeners)
	})
}
