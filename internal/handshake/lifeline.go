package handshake

import (
	"errors"
	"io"
	"os"
	"time"

	"example.com/restart/internal/fdutil"
)

// A Lifeline is the read end of a pipe whose write end only one process has. It
// tells whether that process still lives: the kernel closes the write end when
// its owner dies, however it dies.
type Lifeline struct {
	PID, Generation int
	Version         string    // of the program
	Since           time.Time // when it began to serve
	File            *os.File
}

// Gone reports whether the process has ended.
func (l Lifeline) Gone() bool { return fdutil.AtEOF(l.File) }

// Wait waits for the end of the process and reports true, or false if Cut was
// called.
func (l Lifeline) Wait() bool {
	for {
		if _, err := l.File.Read(make([]byte, 1)); err != nil {
			return errors.Is(err, io.EOF)
		}
	}
}

// Cut ends Wait.
func (l Lifeline) Cut() { l.File.SetReadDeadline(time.Unix(1, 0)) }
