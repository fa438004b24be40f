package spawn

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
)

// A Command says how a successor is started.
type Command struct {
	Path string
	Args []string
	Env  []string
	Dir  string
}

// How the program was started. That must be asked for before main may change
// it: a program that has read a secret from its environment removes it there,
// and one that has read a file into it would never read another. Getwd returns
// the logical directory where $PWD names it: a supervisor that did "cd current"
// means the link, not the release that it pointed to.
var (
	startDir, _ = os.Getwd()
	startArgs   = slices.Clone(os.Args)
	startEnv    = os.Environ()
)

// StartDir returns the directory that this process was started in, empty if it
// is not known.
func StartDir() string { return startDir }

// ProgramPath returns Args[0] made absolute, without following symbolic links,
// so that a link that was moved to another release is followed at each start.
// If nothing is there, it returns what the kernel says: Args[0] is whatever the
// parent process chose to write.
func ProgramPath() string {
	path := startArgs[0]
	if !strings.ContainsRune(path, filepath.Separator) {
		if found, err := exec.LookPath(path); err == nil {
			path = found
		}
	}
	if !filepath.IsAbs(path) {
		path = filepath.Join(startDir, path)
	}
	if _, err := os.Stat(path); err != nil {
		if exe, err := os.Executable(); err == nil {
			return exe
		}
	}
	return path
}

// Again returns the command that started this process, with the program at path.
func Again(path string) Command {
	return Command{Path: path, Args: slices.Clone(startArgs), Env: slices.Clone(startEnv), Dir: startDir}
}

// Prepare completes c for Start and checks it. It says in words what execve(2)
// would say by number.
func (c Command) Prepare() (Command, error) {
	if len(c.Args) == 0 {
		return c, errors.New("Options.Command left no Args: Args[0] is the program's name")
	}
	if !filepath.IsAbs(c.Path) {
		return c, fmt.Errorf("Options.Command set the relative path %q: give an absolute one", c.Path)
	}
	if err := c.checkProgram(); err != nil {
		return c, err
	}
	if c.Dir != "" {
		_, err := os.Stat(c.Dir)
		switch {
		case err == nil:
		case c.Dir == startDir && errors.Is(err, fs.ErrNotExist):
			c.Dir = "" // deleted since: the successor is started where we are
		default:
			return c, fmt.Errorf("start in directory: %w", err)
		}
	}
	c.Env = c.environment()
	return c, nil
}

// environment returns Env for the successor: of several values for one name only the
// last, as in os/exec; nothing that is meant for this process alone; and the directory
// in $PWD, so that the successor, too, knows it by its logical name.
func (c Command) environment() []string {
	env := c.Env
	if c.Dir != "" {
		env = append(slices.Clip(env), "PWD="+c.Dir)
	}
	seen := make(map[string]bool)
	var kept []string
	for _, kv := range slices.Backward(env) {
		name, _, ok := strings.Cut(kv, "=")
		if name == ChannelVar || ownVars[name] || ok && seen[name] {
			continue
		}
		seen[name] = true
		kept = append(kept, kv)
	}
	slices.Reverse(kept)
	return kept
}

// ownVars are those by which systemd tells something to one process only, see
// sd_listen_fds(3) and sd_watchdog_enabled(3). A successor would take them for its own.
var ownVars = map[string]bool{
	"LISTEN_PID":       true,
	"LISTEN_PIDFDID":   true,
	"LISTEN_FDS":       true,
	"LISTEN_FDNAMES":   true,
	"WATCHDOG_PID":     true,
	"SYSTEMD_EXEC_PID": true,
}

func (c Command) checkProgram() error {
	fi, err := os.Stat(c.Path)
	switch {
	case errors.Is(err, fs.ErrNotExist) && strings.Contains(c.Path, "/go-build"):
		return fmt.Errorf("%w: it was started by \"go run\", which deletes its binary: use \"go build\"", err)
	case errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("%w: was it moved or deleted? It is looked up where this process was started from; Options.Command can name another path", err)
	case err != nil:
		return err
	case fi.IsDir():
		return fmt.Errorf("%s is a directory", c.Path)
	case fi.Mode()&0o111 == 0:
		return fmt.Errorf("%s is not executable (mode %v): chmod +x it", c.Path, fi.Mode())
	}
	return nil
}

// File returns the file that Path leads to, through all symbolic links, for the
// log: which release was started.
func (c Command) File() string {
	if file, err := filepath.EvalSymlinks(c.Path); err == nil {
		return file
	}
	return c.Path
}

// Explain adds to an error of Start what is likely to be wrong.
func (c Command) Explain(err error) error {
	err = &os.PathError{Op: "start", Path: c.Path, Err: err}
	switch {
	case errors.Is(err, syscall.ENOEXEC):
		return fmt.Errorf("%w: not a program for this machine, or only half copied", err)
	case errors.Is(err, syscall.ETXTBSY):
		return fmt.Errorf("%w: it is being written; write the new binary beside it and rename it into place", err)
	case errors.Is(err, syscall.ENOENT):
		return fmt.Errorf("%w: the interpreter or loader that it names is missing", err)
	}
	return err
}
