package tally

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"syscall"
	"testing"

	"example.com/restart/storm/internal/rawhttp"
)

func TestClassify(t *testing.T) {
	reset := &net.OpError{Op: "read", Err: os.NewSyscallError("read", syscall.ECONNRESET)}
	tests := []struct {
		name     string
		err      error
		received int64
		want     Outcome
	}{
		{"good", nil, 100, Answered},
		{"refused", &rawhttp.DialError{Err: syscall.ECONNREFUSED}, 0, Refused},
		{"reset while connecting", &rawhttp.DialError{Err: syscall.ECONNRESET}, 0, Refused},
		{"time-out while connecting", &rawhttp.DialError{Err: context.DeadlineExceeded}, 0, TimedOut},
		{"refused, wrapped", fmt.Errorf("x: %w", &rawhttp.DialError{Err: io.EOF}), 0, Refused},
		{"reset", reset, 0, Reset},
		{"closed", io.ErrUnexpectedEOF, 0, Reset},
		{"broken pipe", syscall.EPIPE, 0, Reset},
		{"reset in the response", reset, 1, Truncated},
		{"closed in the response", io.ErrUnexpectedEOF, 1, Truncated},
		{"no HTTP", fmt.Errorf("%w: x", rawhttp.ErrMalformed), 10, Wrong},
		{"status", fmt.Errorf("%w: status 503", ErrWrong), 10, Wrong},
		{"silent", os.ErrDeadlineExceeded, 0, TimedOut},
		{"silent in the response", &net.OpError{Op: "read", Err: os.ErrDeadlineExceeded}, 10, TimedOut},
		{"TLS handshake cut", fmt.Errorf("TLS handshake: %w", io.EOF), 0, Reset},
		{"anything else", errors.New("x"), 0, Reset},
	}
	for _, tt := range tests {
		if got := classify(tt.err, tt.received); got != tt.want {
			t.Errorf("%s: got %v, want %v", tt.name, got, tt.want)
		}
	}
}
