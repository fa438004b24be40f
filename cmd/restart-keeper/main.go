// Command restart-keeper keeps one PID for a program that replaces its process. It is
// for places without systemd: PID 1 of a container, supervisord, runit, a terminal. The
// program must speak sd_notify(3).
//
//	restart-keeper [flags] [--] program [arguments]
//
// "restart-keeper -h" lists the flags. docs/containers.md describes the keeper.
package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"example.com/restart/internal/keeper"
	"example.com/restart/internal/spawn"
)

const help = `restart-keeper keeps one PID for a program that replaces its process.

  restart-keeper [flags] [--] program [arguments]

It starts the program with NOTIFY_SOCKET set, see sd_notify(3), and follows its main
process. It forwards signals to that, reaps orphans, and exits with the status of the
last process. A program that crashes is started again, with the listeners that it has
stored. Signal 59 (RTMIN+25) makes restart-keeper replace its own binary.

After a crash
  -crash-limit n     give up after n crashes in a row, each within 10 s of its start;
                     -1: never (default 10)
  -watchdog d        end the program by SIGABRT if it gives no sign of life for d;
                     it gets WATCHDOG_USEC (default 0: do not watch)

At a stop
  -kill-after d      kill what is left so long after SIGTERM, SIGINT or SIGQUIT
                     (default 0: wait)

Output
  -log-level level   debug, info, warn or error (default info)
  -h, -help          this text

Exit status
  that of the program's last process; 128+n if signal n ended it
  125                restart-keeper itself has failed, or its flags are wrong
  126                the program cannot be executed
  127                the program is not there

Examples
  restart-keeper -- /srv/app -addr :8080
  docker kill --signal HUP container      # restarts the program
  timeout 1h restart-keeper ./app
`

func main() {
	keeper.Exec()
	os.Exit(run(os.Args[1:], os.Stdout, os.Stderr))
}

func run(args []string, stdout, stderr io.Writer) int {
	cfg := keeper.Config{Helper: true}
	var level slog.Level
	flags := flag.NewFlagSet("restart-keeper", flag.ContinueOnError)
	flags.SetOutput(io.Discard)
	flags.IntVar(&cfg.CrashLimit, "crash-limit", keeper.DefaultCrashLimit, "")
	flags.DurationVar(&cfg.Watchdog, "watchdog", 0, "")
	flags.DurationVar(&cfg.KillAfter, "kill-after", 0, "")
	flags.TextVar(&level, "log-level", slog.LevelInfo, "")
	err := flags.Parse(args)
	switch {
	case errors.Is(err, flag.ErrHelp):
		fmt.Fprint(stdout, help)
		return 0
	case err == nil && flags.NArg() == 0:
		err = errors.New("no program to start")
	case err == nil && cfg.CrashLimit == 0:
		err = errors.New("-crash-limit 0: want at least 1, or -1")
	case err == nil && (cfg.Watchdog < 0 || cfg.KillAfter < 0):
		err = errors.New("-watchdog and -kill-after must not be negative")
	case err == nil && !keeper.Supported:
		err = errors.New("this platform cannot have a keeper: it needs Linux")
	}
	if err != nil {
		fmt.Fprintf(stderr, "restart-keeper: %v\n\"restart-keeper -h\" lists the flags\n", err)
		return keeper.StatusFailed
	}
	cfg.Program = func() (spawn.Command, error) { return command(flags.Args()) }
	cfg.Logger = slog.New(slog.NewTextHandler(stderr, &slog.HandlerOptions{Level: level, ReplaceAttr: round}))
	return keeper.Run(cfg)
}

// command returns what to start. The program is looked up anew each time.
func command(args []string) (spawn.Command, error) {
	path, err := exec.LookPath(args[0])
	if err != nil && !errors.Is(err, exec.ErrDot) { // the user has named it
		if e, ok := errors.AsType[*exec.Error](err); ok && errors.Is(e.Err, exec.ErrNotFound) {
			err = fmt.Errorf("%q is not in $PATH: %w", args[0], os.ErrNotExist)
		}
		return spawn.Command{}, err
	}
	if !filepath.IsAbs(path) {
		path = filepath.Join(spawn.StartDir(), path)
	}
	c := spawn.Again(path)
	c.Args = args
	return c.Prepare()
}

// round makes durations readable.
func round(_ []string, a slog.Attr) slog.Attr {
	if a.Value.Kind() == slog.KindDuration {
		a.Value = slog.DurationValue(a.Value.Duration().Round(time.Millisecond))
	}
	return a
}
