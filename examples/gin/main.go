// Command gin is a web server with the framework gin that restarts so that no
// client notices. It differs from any other one in the line that starts it.
package main

import (
	"context"
	"flag"
	"fmt"
	"log"
	"net/http"
	"os"
	"time"

	"github.com/gin-gonic/gin"

	restarthttp "example.com/restart/http"
)

var version = "1" // go build -ldflags "-X main.version=2"

// me says which process answers.
func me() string { return fmt.Sprintf("version=%s pid=%d", version, os.Getpid()) }

func main() {
	addr := flag.String("addr", "127.0.0.1:8080", "TCP `address` to listen on")
	flag.Parse()

	gin.SetMode(gin.ReleaseMode)
	router := gin.New()
	router.Use(gin.Recovery(), func(c *gin.Context) { c.Header("Served-By", me()) })
	router.GET("/", func(c *gin.Context) { c.String(http.StatusOK, "hello from %s\n", me()) })
	router.GET("/slow", slow)

	s := restarthttp.NewServer(*addr, router)
	if err := restarthttp.Serve(context.Background(), s); err != nil { // instead of router.Run
		log.Fatal(err)
	}
}

// slow answers after the duration d, as in /slow?d=2s.
func slow(c *gin.Context) {
	d, err := time.ParseDuration(c.Query("d"))
	if err != nil {
		c.String(http.StatusBadRequest, "%v\n", err)
		return
	}
	select {
	case <-time.After(d):
		c.String(http.StatusOK, "done\n")
	case <-c.Request.Context().Done(): // the client has gone
	}
}
