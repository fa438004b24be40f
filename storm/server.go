package storm

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"time"

	"example.com/restart/storm/internal/proc"
	"example.com/restart/storm/internal/target"
)

// startLimit is how long a server may take until it answers.
const startLimit = 20 * time.Second

// Placeholders in commands.
const (
	addrPlaceholder = "{addr}"
	tlsPlaceholder  = "{tls}"
	pidPlaceholder  = "{pid}"
)

// server is the server under test, as far as storm can see it.
type server struct {
	name    string
	process *target.Process // nil unless storm started it
	addrs   target.Addresses
	url     *url.URL        // nil unless this is all that is known
	watcher *target.Watcher // nil for a URL
	first   proc.ID         // the process that was started or given; zero for a URL
}

// openServer starts or finds the server. On an error nothing is left running.
func openServer(ctx context.Context, cfg Config) (*server, error) {
	if cfg.URL != "" {
		return openURL(cfg.URL)
	}
	s := &server{name: fmt.Sprintf("PID %d", cfg.PID)}
	command, known, err := fillAddresses(cfg)
	if err != nil {
		return nil, err
	}
	if cfg.PID != 0 {
		s.addrs = known
		err = target.WaitAnswer(ctx, known.Plain, startLimit)
	} else {
		s.name = strings.Join(command, " ")
		if s.process, err = target.Start(command, cfg.Env, cfg.LogFile); err != nil {
			return nil, err
		}
		s.addrs, err = target.Discover(ctx, s.process, known, startLimit)
	}
	if err == nil {
		err = s.watch(cfg.PID)
	}
	if err != nil {
		s.stop(cfg.StopGrace)
		return nil, err
	}
	return s, nil
}

// openURL knows the server by its URL alone.
func openURL(raw string) (*server, error) {
	u, err := url.Parse(raw)
	switch {
	case err != nil:
		return nil, fmt.Errorf("storm: URL: %w", err)
	case u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "":
		return nil, fmt.Errorf("storm: URL %q: need http://host/path or https://host/path", raw)
	case u.User != nil:
		return nil, fmt.Errorf("storm: URL %q: storm sends no user name", u.Redacted())
	}
	port := u.Port()
	if port == "" {
		port = u.Scheme // net knows the ports of both by name
	}
	addr, err := target.Resolve(net.JoinHostPort(u.Hostname(), port))
	if err != nil {
		return nil, err
	}
	s := &server{name: raw, url: u}
	if u.Scheme == "https" {
		s.addrs.TLS = addr
	} else {
		s.addrs.Plain = addr
	}
	return s, nil
}

// fillAddresses replaces the placeholders in the command, and resolves the addresses that are known.
func fillAddresses(cfg Config) (command []string, known target.Addresses, err error) {
	addr, tlsAddr := cfg.Addr, cfg.TLSAddr
	command = slices.Clone(cfg.Command)
	for _, p := range []struct {
		placeholder string
		addr        *string
	}{{addrPlaceholder, &addr}, {tlsPlaceholder, &tlsAddr}} {
		if !strings.Contains(strings.Join(command, "\x00"), p.placeholder) {
			continue
		}
		if *p.addr == "" {
			if *p.addr, err = target.FreeAddr(); err != nil {
				return nil, known, err
			}
		}
		for i := range command {
			command[i] = strings.ReplaceAll(command[i], p.placeholder, *p.addr)
		}
	}
	if addr != "" {
		if known.Plain, err = target.Resolve(addr); err != nil {
			return nil, known, err
		}
	}
	if tlsAddr != "" {
		if known.TLS, err = target.Resolve(tlsAddr); err != nil {
			return nil, known, err
		}
	}
	return command, known, nil
}

// watch begins to watch who serves. A server that storm started has its own PID.
func (s *server) watch(pid int) error {
	if s.process != nil {
		pid = s.process.PID
	}
	s.watcher = target.NewWatcher(s.addrs.Plain)
	if err := s.watcher.Scan(); err != nil {
		return err
	}
	if len(s.watcher.Living()) == 0 {
		return fmt.Errorf("storm: no process that storm may look at listens on %v", s.addrs.Plain)
	}
	st, err := proc.Stat(pid)
	if err != nil {
		return err
	}
	s.first = st.ID
	return nil
}

// where names the server and its addresses.
func (s *server) where() string {
	if s.url != nil {
		return fmt.Sprintf("GET %s at %s", s.url, s.plainAddr()+s.tlsAddr())
	}
	serves := fmt.Sprintf("process %d serves HTTP on %s", s.first.PID, s.plainAddr())
	if a := s.tlsAddr(); a != "" {
		serves += ", TLS on " + a
	}
	return serves
}

// living returns the processes that serve or served, and still run; none for a URL.
func (s *server) living() []proc.ID {
	if s.watcher == nil {
		return nil
	}
	return s.watcher.Living()
}

// newest returns the process that began to serve last; zero for a URL.
func (s *server) newest() proc.ID {
	if s.watcher == nil {
		return proc.ID{}
	}
	return s.watcher.Newest()
}

// serves reports whether a process serves the address.
func (s *server) serves(pid int) bool { return s.watcher != nil && s.watcher.Answered(pid) }

// scan looks for new processes and reaps those that have ended.
func (s *server) scan() {
	if s.process != nil {
		s.process.Reap()
	}
	if s.watcher != nil {
		// If this fails, the next scan makes up for it.
		_ = s.watcher.Scan()
	}
}

// plainAddr and tlsAddr return host:port, empty if the server has no such address.
func (s *server) plainAddr() string { return addrString(s.addrs.Plain) }

func (s *server) tlsAddr() string { return addrString(s.addrs.TLS) }

func addrString(a netip.AddrPort) string {
	if !a.IsValid() {
		return ""
	}
	return a.String()
}

// logTail returns the last output of a server that storm started, for an error.
func (s *server) logTail() string {
	if s.process == nil {
		return ""
	}
	return "\n" + s.process.LogTail()
}

// stop ends a server that storm started, and returns how many processes had to be killed.
func (s *server) stop(grace time.Duration) (killed int) {
	if s.process == nil {
		return 0
	}
	return s.process.Stop(s.living(), grace)
}
