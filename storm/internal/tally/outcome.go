// Package tally keeps the books: how each request ended, how long it took, and when.
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
	Answered  Outcome = iota // complete, and what it should be
	Refused                  // no connection
	Reset                    // sent, and the connection ended before the first byte of a response
	Truncated                // the connection ended within the response
	Wrong                    // complete, but not the right answer: status, content, or not HTTP
	TimedOut                 // nothing ended; we gave up
	Outcomes                 // how many there are
)

var outcomeNames = [Outcomes]string{"answered", "refused", "reset", "truncated", "wrong", "timed out"}

func (o Outcome) String() string {
	if o < Outcomes {
		return outcomeNames[o]
	}
	return "unknown"
}

// ErrWrong is wrapped by errors for an answer that is not the right one.
var ErrWrong = errors.New("wrong answer")

// Classify names the outcome of a request that ended with err after that many bytes of its response.
func Classify(err error, received int64) Outcome {
	var dial *rawhttp.DialError
	switch {
	case err == nil:
		return Answered
	case errors.Is(err, ErrWrong), errors.Is(err, rawhttp.ErrMalformed):
		return Wrong
	case isTimeout(err):
		return TimedOut
	case errors.As(err, &dial):
		return Refused
	case received > 0:
		return Truncated
	}
	return Reset
}

func isTimeout(err error) bool {
	var ne net.Error
	return errors.Is(err, os.ErrDeadlineExceeded) || errors.Is(err, context.DeadlineExceeded) ||
		errors.As(err, &ne) && ne.Timeout()
}
