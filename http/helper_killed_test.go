//go:build linux

package restarthttp_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strconv"
	"sync/atomic"
	"syscall"
	"time"

	"example.com/restart"
	restarthttp "example.com/restart/http"
)

// A moment of a move at which the successor dies.
type moment string

const (
	momentCame    moment = "came"    // a connection has come and was not adopted
	momentAdopted moment = "adopted" // it was adopted, and the old process does not know
	momentUsed    moment = "used"    // the same, and it was answered on
	momentHandled moment = "handled" // a request was acted upon and not answered
	momentAnswers moment = "answers" // it was answered
)

// A dying server is killed at a moment of the move to it: the one that TEST_MOMENT
// names, of the connection or request that TEST_AT counts to.
type dying struct {
	*restarthttp.Server
	moment moment
	at     int64
	seen   *os.File

	successor bool
	adopted   int64
	handled   atomic.Int64
	used      chan struct{} // gets a value for each answer
}

// serveDying notes in the file TEST_SEEN what it acts upon.
func serveDying() error {
	at, err := strconv.Atoi(os.Getenv("TEST_AT"))
	if err != nil {
		return err
	}
	seen, err := os.OpenFile(os.Getenv("TEST_SEEN"), os.O_WRONLY|os.O_APPEND|os.O_CREATE, 0o600)
	if err != nil {
		return err
	}
	defer seen.Close()
	d := &dying{moment: moment(os.Getenv("TEST_MOMENT")), at: int64(at), seen: seen, used: make(chan struct{}, 1)}
	mux := http.NewServeMux()
	mux.HandleFunc("/", d.answer)
	mux.HandleFunc("/ws", d.talk)
	d.Server = newServer("web", mux)
	if d.Linger, err = time.ParseDuration(os.Getenv("TEST_LINGER")); err != nil {
		return err
	}
	d.CertFile, d.KeyFile, d.MoveTLS = os.Getenv("TEST_CERT"), os.Getenv("TEST_KEY"), true
	r, err := restart.New(restart.Options{})
	if err != nil {
		return err
	}
	d.successor = r.Status().Generation > 1
	if _, err := r.Add("web", "tcp", "127.0.0.1:0", d); err != nil {
		return err
	}
	return r.Run(context.Background())
}

func die() {
	syscall.Kill(os.Getpid(), syscall.SIGKILL)
	select {}
}

// Adopt implements [restart.Adopter].
func (d *dying) Adopt(c net.Conn, state []byte) error {
	d.adopted++
	if d.adopted == d.at && d.moment == momentCame {
		die()
	}
	err := d.Server.Adopt(c, state)
	if d.adopted != d.at {
		return err
	}
	switch d.moment {
	case momentUsed:
		<-d.used
		die()
	case momentAdopted:
		die()
	}
	return err
}

// act acts upon what a client has sent.
func (d *dying) act(body []byte) {
	fmt.Fprintf(d.seen, "%s\n", body) // one write, so whole
	if d.successor && d.handled.Add(1) == d.at && d.moment == momentHandled {
		die()
	}
}

// answered is called after an answer.
func (d *dying) answered() {
	if !d.successor {
		return
	}
	if d.moment == momentAnswers && d.handled.Load() >= d.at {
		die()
	}
	select {
	case d.used <- struct{}{}:
	default:
	}
}

func (d *dying) answer(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return
	}
	d.act(body)
	w.Header().Set("Content-Length", strconv.Itoa(len(body))) // Flush sends all of the answer
	w.Write(body)
	http.NewResponseController(w).Flush()
	d.answered()
}

// talk answers the messages of a WebSocket.
func (d *dying) talk(w http.ResponseWriter, r *http.Request) {
	restarthttp.Keep(r, nil)
	c, rw, err := http.NewResponseController(w).Hijack()
	if err != nil {
		return
	}
	defer c.Close()
	io.WriteString(c, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n")
	ended := make(chan struct{})
	defer close(ended)
	go func() {
		select {
		case <-restart.Draining(r.Context()):
			c.Write([]byte{0x88, 2, 0x03, 0xe9}) // 1001
		case <-ended:
		}
	}()
	for {
		body, err := readMessage(rw.Reader)
		if err != nil {
			return
		}
		d.act(body)
		if _, err := c.Write(append([]byte{0x81, byte(len(body))}, body...)); err != nil {
			return
		}
		d.answered()
	}
}

var errClosing = errors.New("a close frame")

// readMessage reads a short one.
func readMessage(br *bufio.Reader) ([]byte, error) {
	var h [2]byte
	if _, err := io.ReadFull(br, h[:1]); err != nil {
		return nil, err // io.EOF if there is nothing
	}
	if _, err := io.ReadFull(br, h[1:]); err != nil {
		return nil, fmt.Errorf("in a message: %w", err)
	}
	if h[1]&0x80 != 0 {
		br.Discard(4) // zeros
	}
	b := make([]byte, h[1]&0x7f)
	if _, err := io.ReadFull(br, b); err != nil {
		return nil, fmt.Errorf("in a message: %w", err)
	}
	if h[0]&0xf == 8 {
		return nil, errClosing
	}
	return b, nil
}
