//go:build linux

package faulttest

import (
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"

	"golang.org/x/sys/unix"

	"example.com/restart/internal/channel"
	"example.com/restart/internal/wire"
)

// A script is one end of a handshake that obeys an order at every step of the
// protocol.
type script struct {
	dir   string
	order order
	conn  *channel.Conn
	raw   int // the same socket, for what conn would not send
}

func newScript(dir string, o order, conn *channel.Conn) *script {
	f, err := conn.File()
	if err != nil {
		die("script: %v", err)
	}
	defer f.Close()
	var raw int
	c, err := f.SyscallConn()
	if err == nil {
		err = c.Control(func(fd uintptr) { raw, err = unix.FcntlInt(fd, unix.F_DUPFD_CLOEXEC, 0) })
	}
	if err != nil {
		die("script: %v", err)
	}
	return &script{dir: dir, order: o, conn: conn, raw: raw}
}

// errSaid ends a script that has said what it was ordered to.
var errSaid = errors.New("script: said what was ordered")

// at obeys the order, if it is for this step, where a message of type t is due.
// Deeds end the process; words end the script, unless the peer is to skip them.
func (s *script) at(at step, t wire.Type) error {
	if s.order.Step != at {
		return nil
	}
	fmt.Printf("at step=%q pid=%d\n", at, os.Getpid())
	frame := s.order.Deed.frame(t)
	if frame == nil {
		return s.order.Deed.do(s.dir)
	}
	if err := unix.Send(s.raw, frame, unix.MSG_NOSIGNAL); err != nil {
		return err
	}
	if s.order.Deed == unknown {
		return nil
	}
	return errSaid
}

// send sends a message, after the order for this step.
func (s *script) send(at step, t wire.Type, v any, files ...*os.File) error {
	if err := s.at(at, t); err != nil {
		return err
	}
	return s.conn.Send(t, v, files...)
}

// want receives a message of type t into v, which may be nil. The error holds the
// peer's words if it gives up.
func (s *script) want(t wire.Type, v any) error {
	for {
		f, err := s.recv()
		switch {
		case err != nil:
			return err
		case f.Type == wire.TypeFailed || f.Type == wire.TypeNote:
			var m wire.Note
			if err := f.Decode(&m); err != nil {
				return err
			}
			return errors.New(m.Text)
		case f.Type == wire.TypeClaims || f.Type == wire.TypeProgress || f.Type == wire.TypeReceiving:
		case f.Type != t:
			return fmt.Errorf("script: got %v, want %v", f.Type, t)
		case v == nil:
			return nil
		default:
			return f.Decode(v)
		}
	}
}

func (s *script) recv() (wire.Frame, error) {
	f, fds, err := s.conn.RecvRaw()
	channel.CloseRaw(fds)
	return f, err
}

// untilToldOff waits for the end of the channel or for abort.
func (s *script) untilToldOff() {
	for {
		if f, err := s.recv(); err != nil || f.Type == wire.TypeAbort {
			return
		}
	}
}

// serveScripted serves what the program serves, as far as the scripts need it.
func serveScripted(restarted http.HandlerFunc, lns ...net.Listener) *http.Server {
	mux := http.NewServeMux()
	mux.HandleFunc("/", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, os.Getpid()) })
	mux.HandleFunc("/hold", hold)
	mux.HandleFunc("/restart", restarted)
	mux.HandleFunc("/status", func(w http.ResponseWriter, _ *http.Request) {
		_ = json.NewEncoder(w).Encode(status{PID: os.Getpid(), Generation: 1}) // the client may be gone
	})
	srv := &http.Server{Handler: mux}
	for _, ln := range lns {
		go srv.Serve(ln)
	}
	return srv
}
