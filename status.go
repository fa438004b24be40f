package restart

// A Status is what a Restarter was doing at some moment.
type Status struct {
	State      State
	Generation int // from 1
	PID        int

	// Listeners in the order in which they were added.
	Listeners []ListenerStatus

	// Draining holds the PIDs of earlier generations that still drain, oldest
	// first.
	Draining []int

	// Successor is the PID of the process that has replaced this one, else 0.
	Successor int

	// Adopted counts the connections that came from the predecessor, HandedOver
	// those that went to the successor and Cut those closed by the hammer. The
	// last two count up to the latest change of State. Announced counts those
	// that could not move and were told to close, as far as services count them.
	Adopted, HandedOver, Announced, Cut int

	// LastError is why the last restart failed; nil if it did not.
	LastError error
}

// A ListenerStatus belongs to one name given to Add.
type ListenerStatus struct {
	Name        string
	Network     string
	Address     string // that it is bound to
	Inherited   bool   // rather than bound by this process
	Connections int    // open now, hijacked ones too; 0 for datagrams
}

// Status returns a snapshot. It does not wait for anything.
func (r *Restarter) Status() Status {
	s := *r.status.Load()
	s.Adopted = int(r.adopted.Load())
	for _, line := range r.living() {
		s.Draining = append(s.Draining, line.pid)
	}
	for _, sock := range r.table.list() {
		ls := ListenerStatus{
			Name: sock.name, Network: sock.network, Address: sock.addr().String(),
			Inherited: sock.inherited != "",
		}
		if sock.ln != nil {
			ls.Connections = sock.ln.conns.len()
		}
		s.Announced += sock.announced()
		s.Listeners = append(s.Listeners, ls)
	}
	return s
}

// announced asks the service how many connections it has told to close.
func (s *socket) announced() int {
	if a, ok := s.service().(interface{ Announced() int }); ok {
		return a.Announced()
	}
	return 0
}

// living returns the lifelines of the earlier generations that still drain.
func (r *Restarter) living() []lifeline {
	if r.pred == nil {
		return nil
	}
	var living []lifeline
	for _, line := range r.pred.lifelines {
		if !line.gone() {
			living = append(living, line)
		}
	}
	return living
}
