// Command echo is a web server with the framework echo that restarts so that no
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

	"github.com/labstack/echo/v5"
	"github.com/labstack/echo/v5/middleware"

	restarthttp "example.com/restart/http"
)

var version = "1" // go build -ldflags "-X main.version=2"

// me says which process answers.
func me() string { return fmt.Sprintf("version=%s pid=%d", version, os.Getpid()) }

func main() {
	addr := flag.String("addr", "127.0.0.1:8080", "TCP `address` to listen on")
	flag.Parse()

	router := echo.New()
	router.Use(middleware.Recover(), servedBy)
	router.GET("/", func(c *echo.Context) error { return c.String(http.StatusOK, "hello from "+me()+"\n") })
	router.GET("/slow", slow)

	s := restarthttp.NewServer(*addr, router)
	if err := restarthttp.Serve(context.Background(), s); err != nil { // instead of router.Start
		log.Fatal(err)
	}
}

// servedBy is a middleware that names the process in each answer.
func servedBy(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c *echo.Context) error {
		c.Response().Header().Set("Served-By", me())
		return next(c)
	}
}

// slow answers after the duration d, as in /slow?d=2s.
func slow(c *echo.Context) error {
	d, err := time.ParseDuration(c.QueryParam("d"))
	if err != nil {
		return echo.NewHTTPError(http.StatusBadRequest, err.Error())
	}
	select {
	case <-time.After(d):
		return c.String(http.StatusOK, "done\n")
	case <-c.Request().Context().Done(): // the client has gone
		return nil
	}
}
