package restart

import (
	"example.com/restart/internal/inprocess"
	"example.com/restart/internal/manager"
	"example.com/restart/internal/sockaddr"
	"example.com/restart/internal/spawn"
)

func init() { inprocess.Register(newInProcess) }

// newInProcess makes a Restarter for package restarttest, in a process that the
// host fakes. The function exit ends that process.
func newInProcess(o Options, host inprocess.Host) (r *Restarter, exit func(), err error) {
	listen := listenFunc(sockaddr.Listen)
	if host.Listen != nil {
		listen = host.Listen
	}
	r, err = newRestarter(o, system{
		program:   spawn.ProgramPath(),
		inherit:   host.Inherit,
		activated: func() []manager.Socket { return nil },
		listen:    listen,
		start:     host.Start,
		notify:    host.Notify,
		stop:      host.Stop,
		lifeline:  host.Lifeline,
		manager:   unmanaged{refusal: host.Refusal},
		process:   new(process),
		entered:   func(State) {},
	})
	if err != nil {
		return nil, nil, err
	}
	return r, r.exit, nil
}

// unmanaged is the manager of a process that nobody watches.
type unmanaged struct {
	manager.Nobody
	refusal error
}

func (u unmanaged) Refusal() error { return u.refusal }

// exit closes what the kernel would close at the end of the process.
func (r *Restarter) exit() {
	ran := r.ran.Swap(true)
	if exited := make(chan struct{}); ran && r.mail.post(inLoop(func(l *loop) { l.exit(); close(exited) })) {
		<-exited // before its services end
	}
	r.table.close()
	for _, s := range r.table.list() {
		s.exit()
	}
	if r.pred != nil {
		r.pred.Conn.Close()
	}
	if !ran {
		r.close() // Run would have done so
	}
}

// exit closes the socket and its connections.
func (s *socket) exit() {
	s.close()
	if s.ln == nil {
		return
	}
	here, leaving := s.ln.Conns().Seal()
	for _, c := range append(here, leaving...) {
		c.Close()
	}
}

// exit makes the loop leave all files as they are, as a dead process does.
func (l *loop) exit() {
	l.exited = true
	if l.successor != nil {
		l.successor.Conn.Close()
	}
}
