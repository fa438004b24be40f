//go:build linux

package faulttest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"syscall"
	"time"

	"example.com/restart/internal/channel"
	"example.com/restart/internal/fdutil"
	"example.com/restart/internal/pidfile"
	"example.com/restart/internal/proctest"
	"example.com/restart/internal/sockaddr"
	"example.com/restart/internal/spawn"
	"example.com/restart/internal/wire"
)

// predecessorRole serves like the program, and leads its successor by a script.
func predecessorRole() {
	fmt.Printf("start pid=%d\n", os.Getpid())
	p := &playedPredecessor{dir: os.Getenv(dirVar), replaced: make(chan struct{})}
	if err := p.listen(); err != nil {
		die("script: %v", err)
	}
	if err := pidfile.Write(pidFile(p.dir)); err != nil {
		die("script: %v", err)
	}
	srv := serveScripted(p.restart, p.web, p.side)
	fmt.Printf("serving pid=%d\n", os.Getpid())
	<-p.replaced
	_ = srv.Shutdown(context.Background())
}

type playedPredecessor struct {
	dir      string
	web      *net.TCPListener
	side     *net.UnixListener
	replaced chan struct{}
}

func (p *playedPredecessor) listen() (err error) {
	addr, err := net.ResolveTCPAddr("tcp", readConfig(p.dir).Web)
	if err != nil {
		return err
	}
	if p.web, err = net.ListenTCP("tcp", addr); err != nil {
		return err
	}
	p.side, err = net.ListenUnix("unix", &net.UnixAddr{Name: sideSocket(p.dir), Net: "unix"})
	if err == nil {
		p.side.SetUnlinkOnClose(false)
	}
	return err
}

func (p *playedPredecessor) restart(w http.ResponseWriter, _ *http.Request) {
	err := p.lead()
	if err == nil {
		p.web.Close()
		p.side.Close()
	}
	_ = json.NewEncoder(w).Encode(outcomeOf(err)) // the client may be gone
	if err == nil {
		close(p.replaced)
	}
}

// lead starts a successor and leads it, as far as the order lets it.
func (p *playedPredecessor) lead() error {
	conn, theirs, err := channel.Pair()
	if err != nil {
		return err
	}
	s := newScript(p.dir, readOrder(p.dir), conn)
	defer syscall.Close(s.raw)
	defer conn.Close()
	tail := new(spawn.Tail)
	proc, err := p.start(s, theirs, tail)
	if err != nil {
		return err
	}
	defer proc.Release()
	if err = p.talk(s); err == nil {
		proc.StopStderr()
		return nil
	}
	if errors.Is(err, errSaid) {
		err = s.want(wire.TypeServing, nil) // its words
	}
	conn.SetDeadline(time.Now().Add(proctest.Patience))
	_ = conn.Send(wire.TypeAbort, wire.Abort{}) // it may be gone
	if !proc.Wait(proctest.Patience) {
		return errors.New("script: the successor does not end")
	}
	if err := pidfile.Write(pidFile(p.dir)); err != nil {
		return err
	}
	exit := proc.Release()
	if words := spawn.LastWords(tail.String(), 3); errors.Is(err, io.EOF) {
		err = errors.New(words)
	}
	return fmt.Errorf("%w (%s)", err, exit)
}

func (p *playedPredecessor) start(s *script, theirs *os.File, tail *spawn.Tail) (spawn.Process, error) {
	defer theirs.Close()
	cmd := spawn.Again(spawn.ProgramPath())
	cmd.Env = append(cmd.Env, proctest.RoleVar+"=server")
	cmd, err := cmd.Prepare()
	if err != nil {
		return nil, err
	}
	words := s.order.Deed.frame(wire.TypeHello) != nil
	return spawn.Start(cmd, spawn.Us, theirs, tail, func(stderr, pipe *os.File) error {
		if words {
			if err := s.at(atHandshake, wire.TypeHello); errors.Is(err, errSaid) {
				return nil // nothing else is understood
			}
		}
		if err := s.conn.Send(wire.TypeHello, wire.Hello{PID: os.Getpid(), Generation: 1}); err != nil {
			return err
		}
		descs := []wire.File{{Kind: wire.KindStderr}, {Kind: wire.KindRelay}}
		return s.conn.Send(wire.TypeFiles, wire.Files{Files: descs}, stderr, pipe)
	})
}

func (p *playedPredecessor) talk(s *script) error {
	if s.order.Step == atHandshake && s.order.Deed != unknown {
		if s.order.Deed.frame(wire.TypeHello) != nil {
			return errSaid
		}
		_ = s.at(atHandshake, wire.TypeHello)
	}
	if err := p.sendManifest(s); err != nil {
		return err
	}
	if err := s.want(wire.TypeReady, nil); err != nil {
		return err
	}
	if err := s.at(atReady, wire.TypeCommit); err != nil {
		return err
	}
	if err := s.send(atCommit, wire.TypeCommit, wire.Commit{}); err != nil {
		return err
	}
	if err := s.want(wire.TypeCommitted, nil); err != nil {
		return err
	}
	if err := s.send(atGo, wire.TypeGo, wire.Go{}); err != nil {
		return err
	}
	if err := s.at(atRequest, wire.TypeAbort); err != nil {
		return err
	}
	return s.want(wire.TypeServing, nil)
}

func (p *playedPredecessor) sendManifest(s *script) error {
	web, err := fdutil.Dup(p.web)
	if err != nil {
		return err
	}
	defer web.Close()
	side, err := fdutil.Dup(p.side)
	if err != nil {
		return err
	}
	defer side.Close()
	path := sockaddr.PathOf(sideSocket(p.dir))
	life, _, err := lifeline()
	if err != nil {
		return err
	}
	descs := []wire.File{
		{Kind: wire.KindListener, Name: "web", Network: "tcp", Address: p.web.Addr().String(), Local: p.web.Addr().String()},
		{Kind: wire.KindListener, Name: "side", Network: "unix", Address: path.Name, Local: path.Name, Path: path.Name, Dev: path.Dev, Ino: path.Ino},
		{Kind: wire.KindLifeline, PID: os.Getpid(), Generation: 1},
	}
	if err := s.send(atManifest, wire.TypeFiles, wire.Files{Files: descs}, web, side, life); err != nil {
		return err
	}
	if err := s.conn.Send(wire.TypeState, wire.State{Name: "web", Data: []byte("state"), Last: true}); err != nil {
		return err
	}
	return s.conn.Send(wire.TypeStart, wire.Start{})
}

// lifeline makes a pipe that ends with this process.
func lifeline() (read, write *os.File, err error) {
	read, write, err = os.Pipe()
	if err == nil {
		ends = append(ends, write)
	}
	return read, write, err
}

var ends []*os.File // are open until the process ends
