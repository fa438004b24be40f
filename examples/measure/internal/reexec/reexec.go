// Package reexec is for programs that start themselves as the server that they measure.
package reexec

import (
	"log"
	"os"
)

// Serve calls serve in a process that was started with the arguments "serve" and args, and ends it afterwards. In any other
// process it does nothing.
func Serve(serve func(args []string) error) {
	if len(os.Args) < 2 || os.Args[1] != "serve" {
		return
	}
	if err := serve(os.Args[2:]); err != nil {
		log.Fatal("server: ", err)
	}
	os.Exit(0)
}
