//go:build linux && !restart_portable

package restart

import (
	"encoding/json"
	"fmt"
	"syscall"
	"testing"
	"time"

	"example.com/restart/internal/proctest"
)

// A process that drains learns that the successor has died also if the end of the
// channel does not say so, because a process that the successor has started before New
// has it. It told nobody that nobody serves, and the connections that it had handed
// over waited for an answer that could not come.
func TestSuccessorDiesWhileDrainingWhoseHelperHasTheChannel(t *testing.T) {
	for name, cfg := range map[string]config{
		"replaced":        {},
		"after probation": {Probation: time.Hour},
	} {
		t.Run(name, func(t *testing.T) {
			s, end := helped(t, cfg)
			old := s.pid()
			slow := s.dial()
			slow.ask("who")
			successor := s.replace()
			if cfg.Probation > 0 {
				s.Signal(old, syscall.SIGTERM) // ends the probation
			}
			proctest.Poll(t, "the old process drains", func() error {
				var st Status
				err := json.Unmarshal([]byte(slow.ask("status")), &st)
				if err == nil && st.State != StateDraining {
					err = fmt.Errorf("its state is %v", st.State)
				}
				return err
			})
			s.Signal(successor, syscall.SIGKILL)
			s.Wait(1, "event=successor died", fmt.Sprintf("pid=%d", old), "signal: killed")
			slow.Close()
			s.exited(old)
			end()
			s.WaitEnd()
		})
	}
}

// The same where the successor has been replaced in turn: the process that died is not
// one that this process has started.
func TestSuccessorsSuccessorDiesWhileDrainingWhoseHelperHasTheChannel(t *testing.T) {
	s, end := helped(t, config{})
	slow, old, third := s.replaceTwice()
	if s.Count("event=successor died") > 0 {
		t.Error("a successor that was replaced in turn is taken for dead")
	}
	s.Signal(third, syscall.SIGKILL)
	s.Wait(1, "event=successor died", fmt.Sprintf("pid=%d", old), fmt.Sprintf("successor (pid %d)", third))
	slow.release(old)
	s.exited(old)
	end()
	s.WaitEnd()
}

// One that ends in good order alarms nobody.
func TestSuccessorsSuccessorEndsWhileDrainingWhoseHelperHasTheChannel(t *testing.T) {
	s, end := helped(t, config{})
	slow, old, third := s.replaceTwice()
	s.Signal(third, syscall.SIGTERM)
	s.exited(third)
	slow.release(old)
	s.exited(old)
	end()
	s.WaitEnd()
	if s.Count("event=successor died") > 0 {
		t.Error("an alarm was given")
	}
}
