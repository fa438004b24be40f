// Package tally counts how each request ended, and how long it took.
package tally

import (
	"context"
	"errors"
	"net"
	"os"

	"example.com/restart/storm/internal/rawhttp"
)

// Outcome is how a request ended. Every request has exactly one.
type Outcome uint8

// The rows of the table.
const (
	Answered  Outcome = iota // complete and right
	Refused                  // no connection was made
	Reset                    // the connection ended before the first byte of a response
	Truncated                // the connection ended within the response
	Wrong                    // complete, but with the wrong status or content, or not HTTP
	TimedOut                 // storm gave up waiting
	Outcomes                 // the number of outcomes
)

var outcomeNames = [Outcomes]string{"answered", "refused", "reset", "truncated", "wrong", "timed out"}

func (o Outcome) String() string {
	if o < Outcomes {
		return outcomeNames[o]
	}
	return "unknown"
}

// ErrWrong is wrapped by errors about a complete answer that is not the right one.
var ErrWrong = errors.New("wrong answer")

// classify returns the outcome of a request that ended with err after so many bytes of its response.
func classify(err error, received int64) Outcome {
	_, noConn := errors.AsType[*rawhttp.DialError](err)
	switch {
	case err == nil:
		return Answered
	case errors.Is(err, ErrWrong), errors.Is(err, rawhttp.ErrMalformed):
		return Wrong
	case isTimeout(err):
		return TimedOut
	case noConn:
		return Refused
	case received > 0:
		return Truncated
	}
	return Reset
}

func isTimeout(err error) bool {
	ne, ok := errors.AsType[net.Error](err)
	return errors.Is(err, os.ErrDeadlineExceeded) || errors.Is(err, context.DeadlineExceeded) || ok && ne.Timeout()
}
