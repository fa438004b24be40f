package restart

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

// How the program was started. That must be asked for before main may change
// it: a program that has read a secret from its environment removes it there,
// and one that has read a file into it would never read another.
var (
	startDir, _ = os.Getwd()
	startArgs   = slices.Clone(os.Args)
	startEnv    = os.Environ()
)

// programPath makes Args[0] absolute, without following symbolic links. It
// falls back to what the kernel says if nothing is there: Args[0] is whatever
// the parent process chose to write.
func programPath() string {
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

// command returns what to start, looked up anew each time.
func command(o Options, sys system) (Command, error) {
	cmd := Command{
		Path: sys.program,
		Args: slices.Clone(startArgs),
		Env:  slices.Clone(startEnv),
		Dir:  startDir,
	}
	if o.Command != nil {
		if err := o.Command(&cmd); err != nil {
			return cmd, fmt.Errorf("Options.Command: %w", err)
		}
	}
	if len(cmd.Args) == 0 {
		return cmd, errors.New("Options.Command left no Args: Args[0] is the program's name")
	}
	cmd.Env = slices.DeleteFunc(slices.Clone(cmd.Env), func(kv string) bool {
		return strings.HasPrefix(kv, channelVar+"=")
	})
	return cmd, checkProgram(cmd)
}

// checkProgram says in words what execve(2) would say by number.
func checkProgram(cmd Command) error {
	if !filepath.IsAbs(cmd.Path) {
		return fmt.Errorf("Options.Command set the relative path %q: give an absolute one", cmd.Path)
	}
	fi, err := os.Stat(cmd.Path)
	switch {
	case errors.Is(err, fs.ErrNotExist) && strings.Contains(cmd.Path, "/go-build"):
		return fmt.Errorf("%w: it was started by \"go run\", which deletes its binary: use \"go build\"", err)
	case errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("%w: was it moved or deleted? It is looked up where this process was started from; Options.Command can name another path", err)
	case err != nil:
		return err
	case fi.IsDir():
		return fmt.Errorf("%s is a directory", cmd.Path)
	case fi.Mode()&0o111 == 0:
		return fmt.Errorf("%s is not executable (mode %v): chmod +x it", cmd.Path, fi.Mode())
	}
	if cmd.Dir == "" {
		return nil
	}
	if _, err := os.Stat(cmd.Dir); err != nil {
		return fmt.Errorf("the directory to start it in: %w", err)
	}
	return nil
}

// explainStart adds to the error of a start what is likely to be wrong.
func explainStart(cmd Command, err error) error {
	err = &os.PathError{Op: "start", Path: cmd.Path, Err: err}
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
