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

// Notified is systemd, or a keeper, which stands in for it: a manager that is told of
// the life of a process through its notify socket, see sd_notify(3). With a unit's
// default settings it listens to the main process only, so each message comes from
// the process that is that: the old one until it has named the new one, and the new
// one from then on.
type Notified struct {
	socket  string
	every   time.Duration // between two signs of life; 0: none are wanted
	wrapper int           // PID of the script that has started this process; 0: none, or it is no concern

	mu         sync.Mutex
	log        *slog.Logger
	generation int
	role       role
	stopPings  func() // nil if there are none
}

// A role is what this process is to its manager.
type role int

const (
	roleStarting  role = iota // does not serve yet
	roleMain                  // the main process
	roleReloading             // the main process, which has begun a reload
	roleNamed                 // has named its successor, which does not serve yet
	roleFormer                // is not the main process any more
)

// leadsLocked reports whether the manager listens to this process.
func (n *Notified) leadsLocked() bool { return n.role == roleMain || n.role == roleReloading }

// Starting sends nothing: the predecessor may be the main process.
func (n *Notified) Starting(log *slog.Logger) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.log = log
}

// Serving says that the start has succeeded. For a successor, the predecessor has
// said so.
func (n *Notified) Serving(generation int) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.generation = generation
	var lines []string
	if generation == 1 {
		lines = append(lines, daemon.SdNotifyReady)
	}
	n.leadLocked(append(lines, status("Serving, generation %d", generation)))
	if n.wrapper != 0 {
		log := n.log
		go func() {
			if err := n.checkHeard(); err != nil {
				logUnknown(log, err)
			}
		}()
	}
}

func logUnknown(log *slog.Logger, err error) {
	log.Error("restart: the service manager does not know the state of this process", "error", err)
}

// leadLocked sends lines and, if the manager waits for it, a sign of life, now and
// from then on.
func (n *Notified) leadLocked(lines []string) {
	n.role = roleMain
	if n.every > 0 {
		lines = append(lines, daemon.SdNotifyWatchdog)
	}
	n.sendLocked(lines...)
	if n.every > 0 && n.stopPings == nil {
		n.stopPings = n.ping()
	}
}

// sendLocked sends lines, and logs an error.
func (n *Notified) sendLocked(lines ...string) {
	if err := send(n.socket, lines); err != nil {
		logUnknown(n.log, err)
	}
}

// ping sends signs of life until the function that it returns is called.
func (n *Notified) ping() (stop func()) {
	quit, ended := make(chan struct{}), make(chan struct{})
	socket, every, log := n.socket, n.every, n.log
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

func (n *Notified) endPingsLocked() {
	if n.stopPings != nil {
		n.stopPings()
		n.stopPings = nil
	}
}

// Restarting says that a reload begins, which Replacing or Failed ends.
func (n *Notified) Restarting() {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.reloadLocked()
}

func (n *Notified) reloadLocked() {
	n.role = roleReloading
	n.sendLocked(daemon.SdNotifyReloading, strings.TrimSpace(daemon.SdNotifyMonotonicUsec()),
		status("Restarting: generation %d starts, generation %d serves", n.generation+1, n.generation))
}

// Replacing makes the successor the main process. What this process sent
// afterwards would be refused or, with NotifyAccess=all, taken for the
// successor's words.
func (n *Notified) Replacing(pid int) error {
	if err := n.checkHeard(); err != nil {
		return err
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	n.endPingsLocked()
	if err := send(n.socket, []string{
		fmt.Sprintf("MAINPID=%d", pid), daemon.SdNotifyReady,
		status("Generation %d takes over", n.generation+1),
	}); err != nil {
		return err // Failed follows
	}
	n.role = roleNamed
	if n.wrapper != 0 {
		// Of a process that is not the main one systemd finds the unit only while it
		// lives, and this one may soon have ended.
		return barrier(n.socket)
	}
	return nil
}

// OnProbation ends the reload. This process stays the main one: were it the
// successor, the manager would end both when that dies.
func (n *Notified) OnProbation(pid int) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.leadLocked([]string{daemon.SdNotifyReady, status("Generation %d serves on probation as process %d", n.generation+1, pid)})
}

// Failed ends the reload. A restart that was refused begins and ends it: where
// systemd has asked for the reload (Type=notify-reload), it waits for both. If the
// successor was the main process, it has given that back, see GivingBack, or the
// manager has noticed its death.
func (n *Notified) Failed(err error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	var lines []string
	switch n.role {
	case roleMain:
		n.reloadLocked()
	case roleNamed:
		lines = append(lines, fmt.Sprintf("MAINPID=%d", os.Getpid()))
	}
	n.leadLocked(append(lines, daemon.SdNotifyReady,
		status("Serving, generation %d; the last restart failed: %s", n.generation, strings.TrimPrefix(err.Error(), "restart: "))))
}

// Replaced sends nothing, and nothing is sent from now on.
func (n *Notified) Replaced(int) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.endPingsLocked()
	n.role = roleFormer
}

// Stopping says that the service stops. Signs of life go on until the process
// ends.
func (n *Notified) Stopping() {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.leadsLocked() {
		n.sendLocked(daemon.SdNotifyStopping, status("Stopping: generation %d finishes what it has begun", n.generation))
	}
}

// GivingBack makes the predecessor the main process. Only this process can say
// so, if the predecessor has made it that; otherwise the manager does not listen.
func (n *Notified) GivingBack(predecessor int) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.endPingsLocked()
	n.role = roleFormer
	n.sendLocked(fmt.Sprintf("MAINPID=%d", predecessor))
}

// Refusal returns an error in the first process of a PID namespace, see First.
func (n *Notified) Refusal() error {
	if os.Getpid() == 1 {
		return errFirst
	}
	return nil
}

// Parent makes successors children of the manager. systemd stops a main process that
// is not its child without waiting, and does not notice its death.
func (n *Notified) Parent() spawn.Parent { return spawn.OurParent }

// Orphan returns Exit: the manager starts the program again, and systemd ends what is
// left of the unit before.
func (n *Notified) Orphan() Orphan { return Exit }
