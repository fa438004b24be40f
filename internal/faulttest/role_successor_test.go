//go:build linux

package faulttest

import (
	"net"
	"net/http"
	"os"

	"golang.org/x/sys/unix"

	"example.com/restart/internal/channel"
	"example.com/restart/internal/fdutil"
	"example.com/restart/internal/handshake"
	"example.com/restart/internal/wire"
)

// playSuccessor is a successor whose every word is under control. It ends the
// process, unless all that it was to say is a message that the old process skips:
// then the program goes on as any other.
func playSuccessor(dir string, o order) {
	if o.Step == atHandshake && o.Deed == unknown {
		sayUnknown()
		return
	}
	conn, err := handshake.Inherited()
	if err != nil || conn == nil {
		die("script: no channel: %v", err)
	}
	p := &playedSuccessor{script: newScript(dir, o, conn)}
	err = p.follow()
	if err == errSaid {
		p.untilToldOff()
		if o.Step == atHandOver {
			select {} // serves on
		}
	}
	die("script: %v", err)
}

// sayUnknown leaves the channel to the program.
func sayUnknown() {
	if err := unix.Send(3, unknown.frame(wire.TypeReady), unix.MSG_NOSIGNAL); err != nil {
		die("script: %v", err)
	}
}

type playedSuccessor struct {
	*script
	listeners []net.Listener
	names     []string
}

// follow does what a successor does, up to the end of the channel.
func (p *playedSuccessor) follow() error {
	if err := p.want(wire.TypeHello, nil); err != nil {
		return err
	}
	if err := p.at(atHandshake, wire.TypeReady); err != nil {
		return err
	}
	if err := p.manifest(); err != nil {
		return err
	}
	if err := p.send(atReady, wire.TypeReady, wire.Ready{PID: os.Getpid(), Claimed: p.names, Adopts: p.names}); err != nil {
		return err
	}
	if err := p.want(wire.TypeCommit, nil); err != nil {
		return err
	}
	if err := p.send(atCommit, wire.TypeCommitted, wire.Committed{}); err != nil {
		return err
	}
	if err := p.want(wire.TypeGo, nil); err != nil {
		return err
	}
	if err := p.at(atGo, wire.TypeServing); err != nil {
		return err
	}
	serveScripted(http.NotFound, p.listeners...)
	if err := p.conn.Send(wire.TypeServing, wire.Serving{}); err != nil {
		return err
	}
	for {
		f, err := p.recv()
		if err != nil {
			return err
		}
		if f.Type == wire.TypeConns {
			if err := p.at(atHandOver, wire.TypeAdopted); err != nil {
				return err
			}
		}
	}
}

// manifest receives the sockets.
func (p *playedSuccessor) manifest() error {
	for {
		f, files, err := p.conn.Recv()
		if err != nil {
			return err
		}
		var m wire.Files
		switch f.Type {
		case wire.TypeFiles:
			err = f.Decode(&m)
		case wire.TypeStart:
			return nil
		}
		for i, desc := range m.Files {
			if desc.Kind != wire.KindListener {
				continue
			}
			ln, lnErr := fdutil.Listener(files[i])
			if err = lnErr; err != nil {
				return err
			}
			p.listeners, p.names = append(p.listeners, ln), append(p.names, desc.Name)
		}
		if err == nil && len(p.listeners) > 0 && f.Type == wire.TypeFiles {
			err = p.at(atManifest, wire.TypeReady)
		}
		if err != nil {
			channel.CloseAll(files)
			return err
		}
	}
}
