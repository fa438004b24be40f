package main

import (
	"flag"
	"fmt"
	"log"
	"net/http"
	"os"
	"time"

	restarthttp "example.com/restart/http"
)

var version = "1"

func main() {
	addr := flag.String("addr", "127.0.0.1:8080", "")
	flag.Parse()
	http.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintf(w, "version %s pid %d\n", version, os.Getpid())
	})
	http.HandleFunc("/slow", func(w http.ResponseWriter, r *http.Request) {
		d, _ := time.ParseDuration(r.FormValue("d"))
		time.Sleep(d)
		fmt.Fprintf(w, "version %s pid %d\n", version, os.Getpid())
	})
	if err := restarthttp.ListenAndServe(*addr, nil); err != http.ErrServerClosed {
		log.Fatal(err)
	}
}
