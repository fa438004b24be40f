package metrics

import (
	"encoding/json"
	"errors"
	"time"

	"example.com/restart"
	restarthttp "example.com/restart/http"
)

// Carry returns a service around s, the server of the metrics, that also moves the
// counts to the successor (see the package documentation). The successor's listener of
// the same name must have such a service, too; otherwise its counts begin at zero.
// Counts that cannot be decoded are dropped: metrics never make a restart fail. Call
// Carry once for each Collector.
func (c *Collector) Carry(s *restarthttp.Server) restart.Service { return &carrier{s, c} }

// A carrier has the Server's methods. Its State and Restore are for the Server's state
// and the counts together.
type carrier struct {
	*restarthttp.Server
	c *Collector
}

var _ interface {
	restart.StateMerger
	restart.Adopter
	restart.Announcer
	restart.Logging
} = (*carrier)(nil)

// A carrierState is what State of a carrier returns, as JSON.
type carrierState struct {
	Server []byte `json:"server"` // the Server's own state
	Counts counts `json:"counts"`
}

// State implements restart.Stateful.
func (s *carrier) State() ([]byte, error) {
	server, err := s.Server.State()
	if err != nil {
		return nil, err
	}
	s.c.mu.Lock()
	defer s.c.mu.Unlock()
	s.c.given = s.c.forSuccessorLocked()
	return json.Marshal(carrierState{server, s.c.given})
}

// Restore implements restart.Stateful.
func (s *carrier) Restore(b []byte) error {
	var state carrierState
	if json.Unmarshal(b, &state) != nil {
		return s.Server.Restore(b) // it may be that of a bare Server
	}
	s.c.merge(state.Counts)
	return s.Server.Restore(state.Server)
}

// eventTimeout bounds how long LastState waits for the event of the restart, which is
// on its way when the drain begins.
const eventTimeout = time.Second

// LastState implements restart.StateMerger: what was counted since State, such as
// the phases of this very restart.
func (s *carrier) LastState() ([]byte, error) {
	bound := time.NewTimer(eventTimeout)
	defer bound.Stop()
	s.c.mu.Lock()
	replaced := s.c.replaced
	s.c.mu.Unlock()
	select {
	case <-replaced:
	case <-bound.C:
		return nil, errors.New("restart/metrics: no event says that this process was replaced")
	}
	s.c.mu.Lock()
	defer s.c.mu.Unlock()
	all := s.c.forSuccessorLocked()
	return json.Marshal(all.since(s.c.given))
}

// MergeState implements restart.StateMerger.
func (s *carrier) MergeState(b []byte) error {
	var more counts
	if err := json.Unmarshal(b, &more); err != nil {
		return err
	}
	s.c.merge(more)
	return nil
}

// forSuccessorLocked returns the counts with which the successor begins. What becomes of
// this process's own connections as it drains, the successor learns when that is over,
// see EventEarlierDrained.
func (c *Collector) forSuccessorLocked() counts {
	all := c.counts.clone()
	all.Connections.Adopted += float64(c.r.Status().Adopted)
	return all
}

func (c *Collector) merge(more counts) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.counts.add(more)
}
