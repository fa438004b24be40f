package bench

import (
	"fmt"
	"os"
	"runtime"
	"strconv"

	"golang.org/x/sys/unix"
)

// cpuPlan divides the CPUs between servers and client. If they shared one, the speed of one would slow the other.
type cpuPlan struct{ server, client []int }

// plan divides the CPUs that this process may use. With fewer than two, nothing is pinned.
func plan() cpuPlan {
	var set unix.CPUSet
	if err := unix.SchedGetaffinity(0, &set); err != nil {
		return cpuPlan{}
	}
	var cpus []int
	for i := range 1024 {
		if set.IsSet(i) {
			cpus = append(cpus, i)
		}
	}
	return divide(cpus)
}

func divide(cpus []int) cpuPlan {
	if len(cpus) < 2 {
		return cpuPlan{}
	}
	half := len(cpus) / 2
	return cpuPlan{server: cpus[:half], client: cpus[half:]}
}

func setOf(cpus []int) (set unix.CPUSet) {
	for _, c := range cpus {
		set.Set(c)
	}
	return set
}

// pinned runs f on a thread that may use only those CPUs. A process that f starts inherits that.
func pinned(cpus []int, f func() error) error {
	if len(cpus) == 0 {
		return f()
	}
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	var before unix.CPUSet
	if err := unix.SchedGetaffinity(0, &before); err != nil {
		return fmt.Errorf("storm: pin to CPUs: %w", err)
	}
	set := setOf(cpus)
	if err := unix.SchedSetaffinity(0, &set); err != nil {
		return fmt.Errorf("storm: pin to CPUs: %w", err)
	}
	defer func() { _ = unix.SchedSetaffinity(0, &before) }()
	return f()
}

// pinClient pins all threads of this process, and returns a function that frees them.
func pinClient(cpus []int) (restore func(), err error) {
	if len(cpus) == 0 {
		return func() {}, nil
	}
	var before unix.CPUSet
	if err := unix.SchedGetaffinity(0, &before); err != nil {
		return nil, fmt.Errorf("storm: pin to CPUs: %w", err)
	}
	if err := pinThreads(setOf(cpus)); err != nil {
		return nil, err
	}
	procs := runtime.GOMAXPROCS(len(cpus))
	return func() {
		_ = pinThreads(before)
		runtime.GOMAXPROCS(procs)
	}, nil
}

// pinThreads goes through the threads twice: a thread that was not yet pinned may have started another.
func pinThreads(set unix.CPUSet) error {
	for range 2 {
		tasks, err := os.ReadDir("/proc/self/task")
		if err != nil {
			return fmt.Errorf("storm: pin to CPUs: %w", err)
		}
		for _, t := range tasks {
			tid, err := strconv.Atoi(t.Name())
			if err != nil {
				continue
			}
			if err := unix.SchedSetaffinity(tid, &set); err != nil && err != unix.ESRCH {
				return fmt.Errorf("storm: pin to CPUs: %w", err)
			}
		}
	}
	return nil
}
