package restart

import (
	"errors"
	"fmt"
	"net"

	"example.com/restart/internal/channel"
	"example.com/restart/internal/fdutil"
	"example.com/restart/internal/wire"
)

// receiveConns takes the connections that came with f from s and answers. It
// takes the descriptors.
func (r *Restarter) receiveConns(s *source, f wire.Frame, fds []int) {
	var m wire.Conns
	if err := f.Decode(&m); err != nil {
		channel.CloseRaw(fds)
		r.log.Error("restart: connections from the predecessor", "error", err)
		return
	}
	if s.names != nil {
		for i := range m.Conns {
			m.Conns[i].Name = s.names[m.Conns[i].Name] // none if it was dropped
		}
	}
	answer := r.adopt(m, fds)
	if len(answer.Refused) > 0 {
		r.log.Warn("restart: connections not adopted; the predecessor keeps them", "refused", len(answer.Refused), "reason", answer.Reason)
	}
	if err := s.conn.Send(wire.TypeAdopted, answer); err != nil {
		r.log.Debug("restart: telling the predecessor", "message", "adopted", "error", err)
	}
}

// adopt gives connections that the predecessor handed over to their services,
// and answers. It takes the descriptors.
func (r *Restarter) adopt(m wire.Conns, fds []int) wire.Adopted {
	answer := wire.Adopted{Batch: m.Batch}
	refuse := func(i int, err error) {
		if len(answer.Refused) == 0 {
			answer.Reason = clip(err.Error())
		}
		answer.Refused = append(answer.Refused, i)
	}
	came := min(len(m.Conns), len(fds))
	channel.CloseRaw(fds[came:])
	conns, errs := fdutil.StreamConns(fds[:came])
	for i, desc := range m.Conns {
		if i >= came {
			// The kernel closes those for which it finds no free number.
			refuse(i, errors.New("too many open files"))
		} else if errs[i] != nil {
			refuse(i, errs[i])
		} else if err := r.adoptOne(desc, conns[i]); err != nil {
			refuse(i, err)
		}
	}
	r.adopted.Add(int64(len(m.Conns) - len(answer.Refused)))
	return answer
}

// adoptOne takes c, and closes it on an error: our copy only, the predecessor
// keeps its own.
func (r *Restarter) adoptOne(desc wire.Conn, c net.Conn) error {
	s := r.table.heir(desc.Name)
	if s == nil {
		c.Close()
		return fmt.Errorf("no listener %q here", desc.Name)
	}
	a, ok := s.service().(Adopter)
	if !ok || s.ln == nil {
		c.Close()
		return fmt.Errorf("the service of %q adopts nothing", s.name)
	}
	tracked, ok := s.ln.conns.track(c)
	if !ok {
		c.Close()
		return errSealed
	}
	if err := a.Adopt(tracked, desc.State); err != nil {
		tracked.Close()
		return err
	}
	return nil
}

// heir returns the socket that the predecessor called name, nil if there is
// none.
func (t *table) heir(name string) *socket {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, s := range t.sockets {
		if name != "" && s.inherited == name {
			return s
		}
	}
	return nil
}

// heirs returns our names for the listeners of an earlier generation, by those
// that it uses. preds are the predecessor's names for them, nil if the earlier
// generation is the predecessor.
func (t *table) heirs(preds map[string]string) map[string]string {
	t.mu.Lock()
	defer t.mu.Unlock()
	ours := make(map[string]string) // by the predecessor's
	for _, s := range t.sockets {
		if s.inherited != "" {
			ours[s.inherited] = s.name
		}
	}
	if preds == nil {
		return ours
	}
	all := make(map[string]string)
	for first, pred := range preds {
		if name, ok := ours[pred]; ok {
			all[first] = name
		}
	}
	return all
}

// errSealed says that a drain has ended.
var errSealed = errors.New("this process is about to end")
