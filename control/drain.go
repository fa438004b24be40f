package control

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"sync"
	"syscall"
	"time"

	"example.com/restart"
	"example.com/restart/internal/fdutil"
)

// pollEvery is how often the counts of a drain are looked at: nothing tells when a
// connection goes.
const pollEvery = 100 * time.Millisecond

// writeTimeout bounds the wait for a peer that does not read.
const writeTimeout = 10 * time.Second

// connections counts those that a drain waits for, but for control connections.
func connections(s restart.Status) int {
	n := 0
	for _, l := range s.Listeners {
		if l.Name != listenerName {
			n += l.Connections
		}
	}
	return n
}

// follow answers with the progress of this process's drain, up to its end, or until
// undone is closed. The connection itself must not hold the drain up, so a duplicate of
// its descriptor takes its place, of which nothing else knows. The kernel closes that
// when the process ends: to the client, the end of the answer is the end of the process.
func (s *Service) follow(w http.ResponseWriter, first ProgressEvent, undone <-chan struct{}) {
	s.followers.Add(1) // while the connection still holds the drain up
	defer s.followers.Done()
	c, err := detach(w)
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	if s.report(c, first, undone) != nil {
		c.Close() // nobody listens, or the process does not end
		return
	}
	openUntilExit.add(c)
}

// detach takes the connection from the server and the drain.
func detach(w http.ResponseWriter) (net.Conn, error) {
	hijacked, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		return nil, err
	}
	defer hijacked.Close()
	raw, ok := hijacked.(syscall.Conn)
	if !ok {
		return nil, fmt.Errorf("a %T has no descriptor", hijacked)
	}
	f, err := fdutil.Dup(raw)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return net.FileConn(f)
}

// errUndone says that the process goes on.
var errUndone = errors.New("the restart was undone")

// report writes the answer.
func (s *Service) report(c net.Conn, first ProgressEvent, undone <-chan struct{}) error {
	write := func(b []byte) error {
		if err := c.SetWriteDeadline(time.Now().Add(writeTimeout)); err != nil {
			return err
		}
		_, err := c.Write(b)
		return err
	}
	line := func(p Progress) error {
		b, err := json.Marshal(p)
		if err != nil {
			return err
		}
		return write(append(b, '\n'))
	}
	if err := write([]byte("HTTP/1.1 200 OK\r\nContent-Type: application/x-ndjson\r\nCache-Control: no-store\r\nConnection: close\r\n\r\n")); err != nil {
		return err
	}
	began := time.Now()
	last := s.progress(first, began)
	if replaced, ok := s.history.lastReplaced(); ok {
		last.Elapsed = replaced.Elapsed
	}
	if err := line(last); err != nil {
		return err
	}
	ticks := time.NewTicker(pollEvery)
	defer ticks.Stop()
	for {
		select {
		case <-s.history.over:
			return line(s.drainedLine(began))
		case <-undone:
			return cmp.Or(line(s.undoneLine(began)), errUndone)
		case <-ticks.C:
		}
		now := s.progress(ProgressDraining, began)
		if now.sameCounts(last) {
			continue
		}
		if err := line(now); err != nil {
			return err
		}
		last = now
	}
}

func (s *Service) progress(event ProgressEvent, began time.Time) Progress {
	st := s.process.Status()
	return Progress{
		Event: event, Generation: st.Generation, PID: st.PID, Successor: st.Successor,
		Elapsed: Seconds(time.Since(began)), Connections: connections(st),
		HandedOver: st.HandedOver, Announced: st.Announced,
	}
}

// undoneLine is the last line where there is no drain.
func (s *Service) undoneLine(began time.Time) Progress {
	p := s.progress(ProgressUndone, began)
	if list := s.history.list(); len(list) > 0 {
		p.Error = list[len(list)-1].Error
	}
	return p
}

// drainedLine is the last line of a drain. By then EventDrained has come.
func (s *Service) drainedLine(began time.Time) Progress {
	p := s.progress(ProgressDrained, began)
	e := s.history.drained
	p.Elapsed, p.Connections = Seconds(e.Elapsed), 0
	p.HandedOver, p.Announced, p.Cut = e.HandedOver, e.Announced, e.Cut
	return p
}

func (p Progress) sameCounts(q Progress) bool {
	return p.Connections == q.Connections && p.HandedOver == q.HandedOver && p.Announced == q.Announced
}

// A connList keeps connections from the garbage collector, which would close them.
type connList struct {
	mu    sync.Mutex
	conns []net.Conn
}

// openUntilExit holds the connections that the kernel is to close.
var openUntilExit connList

func (l *connList) add(c net.Conn) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.conns = append(l.conns, c)
}
