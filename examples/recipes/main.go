// Command recipes serves what is not net/http as it stands: fasthttp, fiber, net/rpc,
// the protocol of Redis, and HTTP/2 without TLS through h2c. Each has a file of its
// own, to be copied.
package main

import (
	"context"
	"flag"
	"log"
	"net/http"
	"net/rpc"
	"time"

	"github.com/gofiber/fiber/v2"
	"github.com/tidwall/redcon"
	"github.com/valyala/fasthttp"

	"example.com/restart"
)

var version = "1" // go build -ldflags "-X main.version=2"

func main() {
	fast := flag.String("fast", "127.0.0.1:8080", "TCP `address` of fasthttp")
	fibers := flag.String("fiber", "127.0.0.1:8084", "TCP `address` of fiber")
	calls := flag.String("rpc", "127.0.0.1:8081", "TCP `address` of net/rpc, as JSON")
	redis := flag.String("redis", "127.0.0.1:8082", "TCP `address` of Redis's protocol")
	plain2 := flag.String("h2c", "127.0.0.1:8083", "TCP `address` of HTTP/2 without TLS")
	linger := flag.Duration("linger", 5*time.Second, "how long clients of fasthttp and fiber have to send a request in a drain")
	flag.Parse()
	r, err := restart.New(restart.Options{})
	if err != nil {
		log.Fatal(err)
	}
	echo := rpc.NewServer()
	if err := echo.Register(Echo{}); err != nil {
		log.Fatal(err)
	}
	for _, l := range []struct {
		name, addr string
		service    restart.Service
	}{
		{"fast", *fast, newFastHTTP(&fasthttp.Server{Handler: func(c *fasthttp.RequestCtx) { c.Write(c.PostBody()) }}, *linger)},
		{"fiber", *fibers, newFiber(fiberApp(), *linger)},
		{"rpc", *calls, newJSONRPC(echo)},
		{"redis", *redis, newRedis(answer)},
		{"h2c", *plain2, newH2C(*plain2, http.HandlerFunc(post))},
	} {
		if _, err := r.Add(l.name, "tcp", l.addr, l.service); err != nil {
			log.Fatal(err)
		}
	}
	if err := r.Run(context.Background()); err != nil {
		log.Fatal(err)
	}
}

// fiberApp returns an application that sends the body back.
func fiberApp() *fiber.App {
	app := fiber.New(fiber.Config{DisableStartupMessage: true})
	app.Post("/", func(c *fiber.Ctx) error { return c.Send(c.Body()) })
	return app
}

// Echo is what is called by net/rpc.
type Echo struct{}

// Say returns what it gets.
func (Echo) Say(text string, answer *string) error {
	*answer = text
	return nil
}

// answer appends the answer to a command of Redis's protocol.
func answer(out []byte, command [][]byte) []byte {
	switch {
	case len(command) == 2 && string(command[0]) == "ECHO":
		return redcon.AppendBulk(out, command[1])
	case len(command) == 1 && string(command[0]) == "VERSION":
		return redcon.AppendBulkString(out, version)
	}
	return redcon.AppendError(out, "ERR unknown command")
}
