// Command endless is the test server on github.com/fvbock/endless, as its documentation shows. SIGHUP restarts it.
package main

import (
	"flag"
	"log"

	"github.com/fvbock/endless"

	"example.com/restart/storm/endpoints"
)

func main() {
	addr := flag.String("addr", "127.0.0.1:8080", "address")
	flag.Parse()
	// After a restart the error is that of a closed listener, which is no failure.
	log.Print(endless.ListenAndServe(*addr, endpoints.Handler("endless")))
}
