// Command overseer is the test server on github.com/jpillora/overseer, as its documentation shows. SIGUSR2 to the
// master restarts it.
package main

import (
	"flag"
	"net/http"

	"github.com/jpillora/overseer"

	"example.com/restart/storm/endpoints"
)

func main() {
	addr := flag.String("addr", "127.0.0.1:8080", "address")
	flag.Parse()
	overseer.Run(overseer.Config{
		Address: *addr,
		Program: func(state overseer.State) {
			// The error is that of a listener closed for a restart.
			_ = http.Serve(state.Listener, endpoints.Handler("overseer"))
		},
	})
}
