//go:build !restart_portable

package keeper

import (
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"strconv"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"example.com/restart/internal/fdutil"
)

// stateVersion changes when an older keeper's state cannot be read any more.
const stateVersion = 1

// A state is what a keeper knows of the program. A keeper that replaces its own
// binary leaves it to the new one, as JSON: hence the exported fields.
type state struct {
	Version int
	Socket  socket
	Store   store

	Main    *process   // nil while none runs
	Earlier []*process // have been the main process, and still run
	Group   int        // process group of the program, 0: ours
	Begun   bool       // the program has been started once

	Crashes int       // in a row
	StartAt time.Time // when the program is to be started; zero: not
	Status  int       // of the last main process that has ended
	Ending  bool      // the program is not started again

	Stop   syscall.Signal // has been asked to stop by this signal, 0: not
	StopAt time.Time
	KillAt time.Time // when to kill what is left then; zero: never
}

// A process is one that is or was the main process.
type process struct {
	PID      int
	PIDFD    int       // -1: it is our child, and we reap it
	Since    time.Time // when it became the main process
	Ready    bool
	Stopping bool
	Alive    time.Time // its last sign of life
}

func (p *process) close() {
	if p.PIDFD >= 0 {
		unix.Close(p.PIDFD)
	}
}

// generations returns the processes that are or were the main one.
func (s *state) generations() []*process {
	ps := slices.Clone(s.Earlier)
	if s.Main != nil {
		ps = append(ps, s.Main)
	}
	return ps
}

// isMain reports whether a process is the main one.
func (s *state) isMain(pid int) bool { return s.Main != nil && s.Main.PID == pid }

// findEarlier returns the process if it was the main one and still runs.
func (s *state) findEarlier(pid int) *process {
	if i := slices.IndexFunc(s.Earlier, func(p *process) bool { return p.PID == pid }); i >= 0 {
		return s.Earlier[i]
	}
	return nil
}

func (s *state) forget(pid int) {
	s.Earlier = slices.DeleteFunc(s.Earlier, func(p *process) bool { return p.PID == pid })
}

// descriptors returns those whose numbers are in the state.
func (s *state) descriptors() []int {
	fds := []int{s.Socket.FD}
	for _, e := range s.Store {
		fds = append(fds, e.FD)
	}
	for _, p := range s.generations() {
		if p.PIDFD >= 0 {
			fds = append(fds, p.PIDFD)
		}
	}
	return fds
}

// save writes the state to a file in memory, and returns its descriptor.
func (s *state) save() (int, error) {
	s.Version = stateVersion
	b, err := json.Marshal(s)
	if err != nil {
		return -1, err
	}
	f, err := fdutil.Memory(b)
	if err != nil {
		return -1, err
	}
	defer f.Close()
	return fdutil.DupRaw(f)
}

// readState reads the state that the environment names, and removes that from it.
func readState() (s state, err error) {
	fd, err := strconv.Atoi(os.Getenv(stateVar))
	_ = os.Unsetenv(stateVar) // cannot fail
	if err != nil {
		return s, fmt.Errorf("read state of the keeper: %s: %w", stateVar, err)
	}
	f := os.NewFile(uintptr(fd), "state")
	if f == nil {
		return s, fmt.Errorf("read state of the keeper: %s=%d is no descriptor", stateVar, fd)
	}
	defer f.Close()
	fi, err := f.Stat()
	if err != nil {
		return s, fmt.Errorf("read state of the keeper: %w", err)
	}
	b, err := fdutil.ReadMemory(f, fi.Size())
	if err == nil {
		err = json.Unmarshal(b, &s)
	}
	if err == nil && s.Version != stateVersion {
		err = fmt.Errorf("it has version %d, want %d", s.Version, stateVersion)
	}
	if err != nil {
		return s, fmt.Errorf("read state of the keeper: %w", err)
	}
	return s, nil
}

// restore takes the state that the keeper before this one has left, if there was
// one.
func (k *keeper) restore() (bool, error) {
	if _, ok := os.LookupEnv(stateVar); !ok {
		return false, nil
	}
	var err error
	if k.state, err = readState(); err != nil {
		return false, err
	}
	setCloseOnExec(k.descriptors(), true)
	for _, p := range k.generations() {
		k.watch(p)
	}
	return true, nil
}

func setCloseOnExec(fds []int, on bool) {
	flags := 0
	if on {
		flags = unix.FD_CLOEXEC
	}
	for _, fd := range fds {
		_, _ = unix.FcntlInt(uintptr(fd), unix.F_SETFD, flags) // the descriptor is open
	}
}
