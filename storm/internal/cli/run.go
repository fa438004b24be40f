package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"example.com/restart/storm"
	"example.com/restart/storm/compare"
	"example.com/restart/storm/internal/picture"
	"example.com/restart/storm/report"
)

const runUsage = `Start a server, put load on it, restart it again and again, and count what the clients lose.

Usage:
  storm run [flags] -- server arguments...
  storm run [flags] -pid PID -addr host:port
  storm run [flags] -url http://host/path

{addr} and {tls} in the arguments of the server become free addresses.
`

const runExamples = `
Examples:
  storm run -- ./server -addr {addr} -tls-addr {tls}
  storm run -stay tls -- ./server -addr {addr} -tls-addr {tls}
  storm run -restarts 100 -every 1s -plot restarts.png -- ./server -addr {addr}
  storm run -signal USR2 -pid 123 -addr 127.0.0.1:8080
  storm run -for 1m -url http://127.0.0.1:8080/
  storm run -restart-cmd 'systemctl reload app' -restarts 5 -url https://localhost/health

Exit status: 0 if nothing was lost, 1 if a request was lost or a connection ended that had to stay, 2 if storm could not run or a restart failed.
`

// urlLoad is how long the load on a URL lasts when nothing restarts the server and -for is not given.
const urlLoad = 30 * time.Second

// output names the files to be written at the end.
type output struct{ json, plot string }

// Run is "storm run".
func Run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	cfg, out, status, done := parseRun(args, stdout, stderr)
	if done {
		return status
	}
	cfg.Progress = stderr
	rep, err := storm.Run(ctx, cfg)
	if err == nil {
		err = errors.Join(rep.WriteTable(stdout), out.write(rep))
	}
	switch {
	case err != nil:
		fmt.Fprintln(stderr, err)
		return exitFailed
	case rep.Lost > 0 || rep.Ended > 0:
		return exitLost
	case len(rep.Failed()) > 0:
		return exitFailed
	}
	return exitGood
}

// parseRun returns the configuration. If it has printed help or an error, done is true.
func parseRun(args []string, stdout, stderr io.Writer) (c storm.Config, out output, status int, done bool) {
	c = storm.DefaultConfig()
	sig, loadFor := "HUP", time.Duration(0)
	f := newFlags("storm run", runUsage, runExamples)

	f.group("Target")
	f.string(&c.URL, "url", "`http://host/path` of any server; it gets GETs for this URL and nothing else")
	f.int(&c.PID, "pid", "process of a server that runs already; it is not stopped")
	f.string(&c.Addr, "addr", "`host:port` of plain HTTP; found if not given")
	f.string(&c.TLSAddr, "tls-addr", "`host:port` of TLS; found if not given")

	loadFlags(f, &c.Load)
	f.each("stay", "`classes` whose connections the server moves: tls,idle; one that ends exits with 1", func(s string) error {
		c.Stay = append(c.Stay, strings.Split(s, ",")...)
		return nil
	})

	f.group("Restarts")
	f.int(&c.Restarts, "restarts", "number of restarts; 0: load only")
	f.duration(&c.Every, "every", "from one restart to the next")
	f.string(&sig, "signal", "`signal` that restarts the server")
	f.string(&c.RestartCommand, "restart-cmd", "shell `command` that restarts the server, instead of a signal; {pid}: who serves")
	f.duration(&c.Warmup, "warmup", "under load before the first restart")
	f.duration(&c.Cooldown, "cooldown", "under load after the last restart")
	f.duration(&loadFor, "for", "load without restarts, for this time (default 30s for -url without -restart-cmd)")
	f.bool(&c.Control, "control", "start and stop a copy of the server between two restarts, for comparison")

	f.group("Output")
	f.string(&out.plot, "plot", "draw the report to this `file`, .svg or .png")
	f.string(&out.json, "json", "write the report to this `file`")
	f.string(&c.LogFile, "log", "`file` for the output of the server")

	f.group("Limits")
	f.duration(&c.Timeout, "timeout", "for an answer, beyond the time that it was asked to take")
	f.duration(&c.RestartLimit, "restart-limit", "for a new process to answer")
	f.duration(&c.DrainLimit, "drain-limit", "for the old processes to end after the last restart")
	f.duration(&c.StopGrace, "stop-grace", "between SIGTERM and SIGKILL at the end")

	if status, done = f.parse(args, stdout, stderr); done {
		return c, out, status, true
	}
	c.Command = f.set.Args()
	var err error
	if c.Signal, err = compare.ParseSignal(sig); err != nil {
		err = fmt.Errorf("storm: %w", err)
	}
	if loadFor == 0 && c.URL != "" && c.RestartCommand == "" && !f.given("restarts") {
		loadFor = urlLoad
	}
	if loadFor != 0 {
		if f.given("restarts") && c.Restarts > 0 {
			err = errors.Join(err, errors.New("storm: -for is load without restarts; leave out -restarts"))
		}
		c.Restarts, c.Warmup, c.Cooldown = 0, 0, loadFor
	}
	if out.plot != "" {
		err = errors.Join(err, picture.CanDraw(out.plot))
	}
	if err != nil {
		fmt.Fprintln(stderr, err)
		return c, out, exitFailed, true
	}
	return c, out, exitGood, false
}

func (o output) write(r *report.Report) error {
	if o.json != "" {
		if err := writeFile(o.json, r.WriteJSON); err != nil {
			return err
		}
	}
	if o.plot != "" {
		return r.Plot(o.plot)
	}
	return nil
}

// writeFile creates a file and calls write with it.
func writeFile(path string, write func(io.Writer) error) error {
	f, err := os.Create(path)
	if err != nil {
		return fmt.Errorf("storm: %w", err)
	}
	if err := errors.Join(write(f), f.Close()); err != nil {
		return fmt.Errorf("storm: write %s: %w", path, err)
	}
	return nil
}
