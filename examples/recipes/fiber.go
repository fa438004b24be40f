package main

import (
	"time"

	"github.com/gofiber/fiber/v2"
)

// newFiber makes a restart.Service of an application of fiber, which is made of
// fasthttp. The application's hooks OnListen and OnShutdown are not called.
func newFiber(app *fiber.App, linger time.Duration) *fastHTTP {
	app.Handler() // prepares the application, as its Listener does
	return newFastHTTP(app.Server(), linger)
}
