package restart

import (
	"net"
	"time"

	"example.com/restart/internal/gate"
)

// keepAlive sets up connections as [net.ListenConfig] says. Package net does that
// for the listeners that it binds; of descriptors it only knows its defaults.
type keepAlive struct {
	period time.Duration // as in ListenConfig.KeepAlive
	config net.KeepAliveConfig
}

func keepAliveOf(c net.ListenConfig) keepAlive { return keepAlive{c.KeepAlive, c.KeepAliveConfig} }

// apply sets up tcp, which was accepted from such a listener.
func (k keepAlive) apply(tcp *net.TCPConn) {
	// Errors are ignored as package net does: the connection may have been reset.
	switch {
	case k.config.Enable:
		_ = tcp.SetKeepAliveConfig(k.config)
	case k.period < 0:
		_ = tcp.SetKeepAlive(false)
	case k.period > 0:
		_ = tcp.SetKeepAliveConfig(net.KeepAliveConfig{Enable: true, Idle: k.period})
	}
}

// listener makes the connections that s accepts be set up. It takes s.
func (k keepAlive) listener(s gate.Socket) gate.Socket {
	if tcp, ok := s.(*net.TCPListener); ok && k != (keepAlive{}) {
		return &keepAliveListener{tcp, k}
	}
	return s
}

type keepAliveListener struct {
	*net.TCPListener
	keepAlive keepAlive
}

// Accept implements net.Listener. The connection is a *net.TCPConn, so that
// sendfile(2) goes on working.
func (l *keepAliveListener) Accept() (net.Conn, error) {
	c, err := l.TCPListener.AcceptTCP()
	if err != nil {
		return nil, err
	}
	l.keepAlive.apply(c)
	return c, nil
}
