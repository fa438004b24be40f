package restart

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"sync"
	"syscall"

	"example.com/restart/internal/handshake"
	"example.com/restart/internal/manager"
	"example.com/restart/internal/sockaddr"
	"example.com/restart/internal/wire"
)

// An offer is an inherited socket.
type offer struct {
	file    *os.File // nil once claimed
	desc    wire.File
	claimed bool

	// fromUnit: a socket unit of systemd says where to listen, so that the name
	// alone is enough to claim it.
	fromUnit bool

	// lost: the manager has kept a Unix socket whose file is gone, so that no client
	// would find it. It is not claimed.
	lost bool
}

// A table holds the sockets of this generation and those that it was offered.
// It is safe for concurrent use; nothing that may block happens under its lock.
type table struct {
	config net.ListenConfig
	listen listenFunc

	mu      sync.Mutex
	sockets []*socket
	names   map[string]bool // of sockets, and of those being bound right now
	offers  []*offer
	closed  bool
	failure error         // of the first add that failed
	added   chan struct{} // holds a token when an add has ended, well or not
}

func newTable(config net.ListenConfig, listen listenFunc, inherited []handshake.Socket) *table {
	t := &table{
		config: config,
		listen: listen,
		names:  make(map[string]bool),
		added:  make(chan struct{}, 1),
	}
	for _, s := range inherited {
		t.offers = append(t.offers, &offer{file: s.File, desc: s.Desc})
	}
	return t
}

// activate offers the sockets that the manager has opened or kept. Only a cold
// start has those.
func (t *table) activate(sockets []manager.Socket) {
	for _, s := range sockets {
		path := pathOf(s.Desc)
		t.offers = append(t.offers, &offer{
			file: s.File, desc: s.Desc, fromUnit: s.FromUnit,
			lost: path.Name != "" && !path.Exists(),
		})
	}
}

// add claims or binds the socket s, whose name, network, address and service
// are set, and wakes the owner of the table.
func (t *table) add(ctx context.Context, s *socket) error {
	if err := t.reserve(s); err != nil {
		return err
	}
	err := t.open(ctx, s)
	t.mu.Lock()
	defer t.mu.Unlock()
	select {
	case t.added <- struct{}{}: // also after a failure, for which nobody should wait
	default:
	}
	if t.closed {
		if err == nil {
			s.close()
		}
		err = ErrStopped
	}
	if err != nil {
		delete(t.names, s.name)
		t.failLocked(err)
		return err
	}
	t.sockets = append(t.sockets, s)
	return nil
}

// fail remembers why a socket could not be added, the first time.
func (t *table) fail(err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.failLocked(err)
}

func (t *table) failLocked(err error) {
	if t.failure == nil {
		t.failure = err
	}
}

// failed returns why a socket could not be added, nil if all could.
func (t *table) failed() error {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.failure
}

// adding reports whether there is more to come than the first n sockets: one
// that has been added, or one that is about to be.
func (t *table) adding(n int) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return len(t.names) > n
}

func (t *table) reserve(s *socket) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	switch {
	case t.closed:
		return ErrStopped
	case s.name == "":
		return errors.New("restart: add listener: the name is empty")
	case len(s.name) > maxName:
		return fmt.Errorf("restart: add listener: the name has %d bytes, at most %d are allowed", len(s.name), maxName)
	case t.names[s.name]:
		return fmt.Errorf("restart: add listener %q: the name is taken", s.name)
	}
	t.names[s.name] = true
	return nil
}

// maxName keeps a description of a socket well below the size of a frame.
const maxName = 255

func (t *table) open(ctx context.Context, s *socket) error {
	if o := t.claim(s); o != nil {
		if err := s.adopt(o, keepAliveOf(t.config)); err != nil {
			return fmt.Errorf("restart: inherit listener %q (%s %s): %w", s.name, o.desc.Network, o.desc.Local, err)
		}
		return nil
	}
	if err := s.bind(ctx, t.config, t.listen); err != nil {
		return t.explain(s, err)
	}
	return nil
}

// claim finds the offer that s stands for: by name if the address is the same
// too, else by address, whatever it was called.
func (t *table) claim(s *socket) *offer {
	// Looking an address up may ask a name server, so it comes first.
	matches := sockaddr.Matcher(s.network, s.address)
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, byName := range []bool{true, false} {
		for _, o := range t.offers {
			if o.claimed || o.lost || o.desc.Kind != s.kind() || byName && o.desc.Name != s.name {
				continue
			}
			if byName && o.fromUnit || matches(o.desc, byName) {
				o.claimed = true
				return o
			}
		}
	}
	return nil
}

// explain adds to an error of bind what an operator can do about it.
func (t *table) explain(s *socket, err error) error {
	err = fmt.Errorf("restart: add listener %q: %w", s.name, err)
	if port := sockaddr.Privileged(s.network, s.address); port > 0 && errors.Is(err, syscall.EACCES) {
		return fmt.Errorf("%w: to bind port %d needs root or CAP_NET_BIND_SERVICE, and this process runs as user %d (ports that are inherited need neither): "+
			"stop the service and start it anew as root, or give the program the capability (setcap), or choose another port", err, port, os.Geteuid())
	}
	if !errors.Is(err, syscall.EADDRINUSE) {
		return err
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, o := range t.offers {
		if sockaddr.SamePort(s.address, o.desc.Local) {
			return fmt.Errorf("%w; the predecessor's listener %q has %s, which overlaps: change the port as well, or stop the service and start it anew", err, o.desc.Name, o.desc.Local)
		}
	}
	return err
}

// addedAfter returns the sockets that were added after the first n.
func (t *table) addedAfter(n int) []*socket {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.sockets[n:len(t.sockets):len(t.sockets)]
}

// list returns all sockets.
func (t *table) list() []*socket { return t.addedAfter(0) }

// unclaimed counts the offers that nobody has claimed.
func (t *table) unclaimed() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	n := 0
	for _, o := range t.offers {
		if !o.claimed {
			n++
		}
	}
	return n
}

// drop closes the sockets that nobody has claimed and returns their descriptions.
// A later Add binds anew.
func (t *table) drop() []wire.File {
	t.mu.Lock()
	defer t.mu.Unlock()
	var dropped []wire.File
	for _, o := range t.offers {
		if o.claimed {
			continue
		}
		o.claimed = true
		if o.file != nil {
			o.file.Close()
		}
		dropped = append(dropped, o.desc)
	}
	return dropped
}

// close makes add fail from now on.
func (t *table) close() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.closed = true
}

// claims returns what the predecessor must know of the inherited sockets.
func (t *table) claims() handshake.Claims {
	c := handshake.Claims{Kinds: make(map[string][]string)}
	for _, s := range t.list() {
		if s.inherited == "" {
			continue
		}
		c.Claimed = append(c.Claimed, s.inherited)
		if _, ok := s.service().(Adopter); ok {
			c.Adopts = append(c.Adopts, s.inherited)
		}
		if len(s.kinds) > 0 {
			c.Kinds[s.inherited] = s.kinds
		}
	}
	return c
}

// inheritedAs returns the socket that the predecessor called name, nil if there
// is none.
func (t *table) inheritedAs(name string) *socket {
	for _, s := range t.list() {
		if name != "" && s.inherited == name {
			return s
		}
	}
	return nil
}

// renames returns our names for the inherited listeners, by the predecessor's.
func (t *table) renames() map[string]string {
	names := make(map[string]string)
	for _, s := range t.list() {
		if s.inherited != "" {
			names[s.inherited] = s.name
		}
	}
	return names
}
