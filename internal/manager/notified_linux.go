//go:build !restart_portable

package manager

import (
	"fmt"
	"log/slog"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/coreos/go-systemd/v22/daemon"

	"example.com/restart/internal/spawn"
)

// Systemd is told of the life of a process by its notify socket, sd_notify(3).
// With a unit's default settings it listens to the main process only, so each
// message comes from the process that is that: the old one until it has named
// the new one, and the new one from then on.
type Systemd struct {
	socket  string
	every   time.Duration // between two signs of life; 0: none are wanted
	wrapper int           // PID of the script that has started this process; 0: none, or it is no concern

	mu         sync.Mutex
	log        *slog.Logger
	generation int
	role       role
	stopPings  func() // nil if there are none
}

// A role is what this process is to systemd.
type role int

const (
	coming    role = iota // does not serve yet
	main                  // the main process
	reloading             // the main process, which has begun a reload
	moved                 // has named its successor, which does not serve yet
	gone                  // is not the main process any more
)

// Starting sends nothing: the predecessor may be the main process.
func (s *Systemd) Starting(log *slog.Logger) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.log = log
}

// Serving says that the start has succeeded. For a successor, the predecessor has
// said so.
func (s *Systemd) Serving(generation int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.generation = generation
	var lines []string
	if generation == 1 {
		lines = append(lines, daemon.SdNotifyReady)
	}
	s.leadLocked(append(lines, status("Serving, generation %d", generation)))
	if s.wrapper != 0 {
		log := s.log
		go func() {
			if err := s.unheard(); err != nil {
				logUnknown(log, err)
			}
		}()
	}
}

func logUnknown(log *slog.Logger, err error) {
	log.Error("restart: the service manager does not know the state of this process", "error", err)
}

// leadLocked sends lines and, if systemd waits for it, a sign of life, now and
// from then on.
func (s *Systemd) leadLocked(lines []string) {
	s.role = main
	if s.every > 0 {
		lines = append(lines, daemon.SdNotifyWatchdog)
	}
	s.sendLocked(lines...)
	if s.every > 0 && s.stopPings == nil {
		s.stopPings = s.ping()
	}
}

// sendLocked sends lines, and logs an error.
func (s *Systemd) sendLocked(lines ...string) {
	if err := send(s.socket, lines); err != nil {
		logUnknown(s.log, err)
	}
}

// ping sends signs of life until the function that it returns is called.
func (s *Systemd) ping() (stop func()) {
	quit, ended := make(chan struct{}), make(chan struct{})
	socket, every, log := s.socket, s.every, s.log
	go func() {
		defer close(ended)
		ticker := time.NewTicker(every)
		defer ticker.Stop()
		for {
			select {
			case <-quit:
				return
			case <-ticker.C:
			}
			if err := send(socket, []string{daemon.SdNotifyWatchdog}); err != nil {
				log.Error("restart: no sign of life for the watchdog", "error", err)
			}
		}
	}()
	return func() { close(quit); <-ended }
}

func (s *Systemd) endPingsLocked() {
	if s.stopPings != nil {
		s.stopPings()
		s.stopPings = nil
	}
}

// Restarting says that a reload begins, which Replacing or Failed ends.
func (s *Systemd) Restarting() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.reloadLocked()
}

func (s *Systemd) reloadLocked() {
	s.role = reloading
	s.sendLocked(daemon.SdNotifyReloading, strings.TrimSpace(daemon.SdNotifyMonotonicUsec()),
		status("Restarting: generation %d starts, generation %d serves", s.generation+1, s.generation))
}

// Replacing makes the successor the main process. What this process sent
// afterwards would be refused or, with NotifyAccess=all, taken for the
// successor's words.
func (s *Systemd) Replacing(pid int) error {
	if err := s.unheard(); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.endPingsLocked()
	if err := send(s.socket, []string{
		fmt.Sprintf("MAINPID=%d", pid), daemon.SdNotifyReady,
		status("Generation %d takes over", s.generation+1),
	}); err != nil {
		return err // Failed follows
	}
	s.role = moved
	if s.wrapper != 0 {
		// Of a process that is not the main one systemd finds the unit only while it
		// lives, and this one may soon have ended.
		return barrier(s.socket)
	}
	return nil
}

// OnProbation ends the reload. This process stays the main one: were it the
// successor, systemd would end both when that dies.
func (s *Systemd) OnProbation(pid int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.leadLocked([]string{daemon.SdNotifyReady, status("Generation %d serves on probation as process %d", s.generation+1, pid)})
}

// Failed ends the reload. One that was refused begins here: systemd waits for
// both if it has asked for it (Type=notify-reload). If the successor was the main process it has given
// that back, see GivingBack, or systemd has noticed its death.
func (s *Systemd) Failed(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var lines []string
	switch s.role {
	case main:
		s.reloadLocked()
	case moved:
		lines = append(lines, fmt.Sprintf("MAINPID=%d", os.Getpid()))
	}
	s.leadLocked(append(lines, daemon.SdNotifyReady,
		status("Serving, generation %d; the last restart failed: %s", s.generation, strings.TrimPrefix(err.Error(), "restart: "))))
}

// Replaced sends nothing, and nothing is sent from now on.
func (s *Systemd) Replaced(int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.endPingsLocked()
	s.role = gone
}

// Stopping says that the service stops. Signs of life go on until the process
// ends.
func (s *Systemd) Stopping() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.leadsLocked() {
		s.sendLocked(daemon.SdNotifyStopping, status("Stopping: generation %d finishes what it has begun", s.generation))
	}
}

// GivingBack makes the predecessor the main process. Only this process can say
// so, if the predecessor has made it that; else systemd does not listen.
func (s *Systemd) GivingBack(predecessor int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.endPingsLocked()
	s.role = gone
	s.sendLocked(fmt.Sprintf("MAINPID=%d", predecessor))
}

// Refusal returns an error in the first process of a PID namespace, see First.
func (s *Systemd) Refusal() error {
	if os.Getpid() == 1 {
		return errFirst
	}
	return nil
}

// Parent makes successors children of systemd: it stops a main process that is
// not its child without waiting, and does not notice its death.
func (s *Systemd) Parent() spawn.Parent { return spawn.OurParent }

// Orphan returns Exit: systemd ends what is left of the unit and starts the
// program again.
func (s *Systemd) Orphan() Orphan { return Exit }
