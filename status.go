package restart

import (
	"encoding/json"
	"time"
)

// A Status is a snapshot of what a Restarter does. Its JSON has the names of states
// and the text of LastError.
type Status struct {
	State      State `json:"state"`
	Generation int   `json:"generation"` // from 1
	PID        int   `json:"pid"`

	// Ready says whether the service is available, which is what a readiness check
	// asks. It is false before this process serves, and again from the moment when
	// it is to stop; Options.LameDuck begins then. It stays true in a process that
	// drains because another one has replaced it.
	Ready bool `json:"ready"`

	// Listeners in the order in which they were added.
	Listeners []ListenerStatus `json:"listeners"`

	// Version is Options.Version. Since is when this process began to serve, zero
	// before.
	Version string    `json:"version,omitempty"`
	Since   time.Time `json:"since,omitzero"`

	// Draining holds the earlier generations that have not ended, oldest first.
	Draining []Earlier `json:"draining"`

	// OnProbation says that the predecessor may yet have to serve again, see
	// Options.Probation and [Restarter.Undo].
	OnProbation bool `json:"on_probation,omitempty"`

	// Successor is the PID of the process that has replaced this one, else 0.
	Successor int `json:"successor,omitempty"`

	// Adopted counts the connections that came from earlier generations,
	// HandedOver those that went to the successor and Cut those closed by the
	// hammer. The last two count up to the latest change of State. Announced
	// counts those that could not move and were told to close, see [Announcer].
	Adopted    int `json:"adopted"`
	HandedOver int `json:"handed_over"`
	Announced  int `json:"announced"`
	Cut        int `json:"cut"`

	// LastError is why the last restart failed; nil if it did not.
	LastError error `json:"-"`
}

// MarshalJSON encodes s with LastError as the string last_error.
func (s Status) MarshalJSON() ([]byte, error) {
	type plain Status // without this method
	text := ""
	if s.LastError != nil {
		text = s.LastError.Error()
	}
	return json.Marshal(struct {
		plain
		LastError string `json:"last_error,omitempty"`
	}{plain(s), text})
}

// A ListenerStatus describes the listener or datagram socket of one name.
type ListenerStatus struct {
	Name        string `json:"name"`
	Network     string `json:"network"`
	Address     string `json:"address"`     // the one that it is bound to
	Inherited   bool   `json:"inherited"`   // rather than bound by this process
	Connections int    `json:"connections"` // open now, hijacked ones too; 0 for datagrams
}

// Status returns a snapshot. It does not wait for anything.
func (r *Restarter) Status() Status {
	s := *r.status.Load()
	s.Adopted = int(r.adopted.Load())
	s.Version = r.options.Version
	s.Draining = r.earlier()
	for _, sock := range r.table.list() {
		ls := ListenerStatus{
			Name: sock.name, Network: sock.network, Address: sock.addr().String(),
			Inherited: sock.inherited != "",
		}
		if sock.ln != nil {
			ls.Connections = sock.ln.Conns().Len()
		}
		s.Announced += sock.announced()
		s.Listeners = append(s.Listeners, ls)
	}
	return s
}

// announced returns how many connections the service has told to close.
func (s *socket) announced() int {
	if a, ok := s.service().(Announcer); ok {
		return a.Announced()
	}
	return 0
}

// setStatus makes s what Status returns, and wakes whoever waits for a change.
func (r *Restarter) setStatus(s *Status) {
	next := make(chan struct{})
	r.status.Store(s)
	close(*r.changed.Swap(&next))
}
