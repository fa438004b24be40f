//go:build !restart_portable

package keeper

import (
	"encoding/json"
	"fmt"
	"os"
	"strconv"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"example.com/restart/internal/fdutil"
	"example.com/restart/internal/spawn"
)

// The keeper replaces its own program by execve(2): PID, children and descriptors
// stay. What it knows goes to the new program in a file in memory. The program is
// asked before whether it can read that: a keeper that dies takes a container
// with it.

// stateVersion changes when an older keeper's state cannot be read any more.
const stateVersion = 1

// A state is what one keeper leaves to another.
type state struct {
	Version int
	Socket  int
	Name    string
	Store   []storedState
	Main    *processState
	Earlier []processState
	Group   int
	Crashes int
	StartAt time.Time
	Status  int
	Ending  bool
	Stop    int
	StopAt  time.Time
	KillAt  time.Time
}

type storedState struct {
	Name string
	FD   int
}

type processState struct {
	PID, PIDFD      int
	Since, Alive    time.Time
	Ready, Stopping bool
}

func (p *process) state() processState {
	return processState{p.pid, p.pidfd, p.since, p.alive, p.ready, p.stopping}
}

func (s processState) process() *process {
	return &process{pid: s.PID, pidfd: s.PIDFD, since: s.Since, alive: s.Alive, ready: s.Ready, stopping: s.Stopping}
}

// state also returns the descriptors that are in it.
func (k *keeper) state() (s state, fds []int) {
	s = state{
		Version: stateVersion, Socket: k.socket.fd, Name: k.socket.name, Group: k.group, Crashes: k.crashes,
		StartAt: k.startAt, Status: k.status, Ending: k.ending, Stop: int(k.stop), StopAt: k.stopAt, KillAt: k.killAt,
	}
	fds = append(fds, k.socket.fd)
	for _, e := range k.store {
		s.Store = append(s.Store, storedState{e.Name, e.fd})
		fds = append(fds, e.fd)
	}
	if k.main != nil {
		s.Main = new(k.main.state())
	}
	for _, p := range k.earlier {
		s.Earlier = append(s.Earlier, p.state())
	}
	for _, p := range k.generations() {
		if p.pidfd >= 0 {
			fds = append(fds, p.pidfd)
		}
	}
	return s, fds
}

// restore takes the state that the keeper before this one has left, if there was
// one.
func (k *keeper) restore() (bool, error) {
	if _, ok := os.LookupEnv(stateVar); !ok {
		return false, nil
	}
	s, err := readState()
	if err != nil {
		return false, err
	}
	k.socket = socket{s.Socket, s.Name}
	for _, e := range s.Store {
		k.store = append(k.store, stored{e.Name, e.FD})
	}
	if s.Main != nil {
		k.main = s.Main.process()
	}
	for _, p := range s.Earlier {
		k.earlier = append(k.earlier, p.process())
	}
	k.group, k.crashes, k.startAt, k.status, k.begun = s.Group, s.Crashes, s.StartAt, s.Status, true
	k.ending, k.stop, k.stopAt, k.killAt = s.Ending, syscall.Signal(s.Stop), s.StopAt, s.KillAt
	_, fds := k.state()
	for _, fd := range fds {
		unix.CloseOnExec(fd)
	}
	if k.main != nil && k.main.pidfd >= 0 {
		if dup, err := unix.FcntlInt(uintptr(k.main.pidfd), unix.F_DUPFD_CLOEXEC, 0); err == nil {
			go k.awaitEnd(dup)
		}
	}
	return true, nil
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

// checkState is what the new program does when it is asked whether it can replace
// the keeper.
func checkState() int {
	if _, err := readState(); err != nil {
		fmt.Fprintln(os.Stderr, "restart-keeper:", err)
		return StatusFailed
	}
	return 0
}

// checkTime is how long a program may take to say whether it can be the keeper.
const checkTime = 10 * time.Second

// askReplacement starts the program that is to replace the keeper's, to see
// whether it can.
func (k *keeper) askReplacement() {
	if k.check != 0 {
		return
	}
	memory, err := k.memory()
	if err == nil {
		defer unix.Close(memory)
		c := spawn.Again(spawn.ProgramPath())
		k.check, err = k.sys.fork(c.Path, c.Args, &syscall.ProcAttr{
			Env:   append(c.Env, stateVar+"=3", checkVar+"=1"),
			Files: []uintptr{0, 1, 2, uintptr(memory)},
			Sys:   &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL},
		})
	}
	if err != nil {
		k.notReplaced(err)
		return
	}
	k.checkAt = k.sys.now().Add(checkTime)
}

// memory returns a descriptor with the state.
func (k *keeper) memory() (int, error) {
	s, _ := k.state()
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

// checked replaces the keeper's program if the new one has said that it can.
func (k *keeper) checked(status int) {
	k.check, k.checkAt = 0, unset
	if status != 0 {
		k.notReplaced(fmt.Errorf("the new program cannot read the state: exit status %d", status))
		return
	}
	for len(k.signals) > 0 { // they would be lost
		k.onSignal((<-k.signals).(syscall.Signal))
	}
	memory, err := k.memory()
	if err != nil {
		k.notReplaced(err)
		return
	}
	defer unix.Close(memory)
	_, fds := k.state()
	for _, fd := range append(fds, memory) {
		setCloseOnExec(fd, false)
	}
	c := spawn.Again(spawn.ProgramPath())
	blockSignals()
	err = syscall.Exec(c.Path, c.Args, append(c.Env, stateVar+"="+strconv.Itoa(memory)))
	unblockSignals()
	for _, fd := range fds {
		setCloseOnExec(fd, true)
	}
	k.notReplaced(err)
}

func (k *keeper) notReplaced(err error) {
	k.log.Error("restart-keeper: the keeper's own program cannot be replaced, it goes on", "error", err)
}

func setCloseOnExec(fd int, on bool) {
	flags := 0
	if on {
		flags = unix.FD_CLOEXEC
	}
	_, _ = unix.FcntlInt(uintptr(fd), unix.F_SETFD, flags) // the descriptor is open
}
