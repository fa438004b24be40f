package main

import (
	"flag"
	"fmt"
	"os"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"

	"example.com/restart/storm"
)

// outputs are the files to be written in the end.
type outputs struct{ json, plot string }

func (o outputs) write(r *storm.Report) error {
	if o.json != "" {
		f, err := os.Create(o.json)
		if err != nil {
			return fmt.Errorf("storm: %w", err)
		}
		if err := r.WriteJSON(f); err != nil {
			f.Close()
			return err
		}
		if err := f.Close(); err != nil {
			return fmt.Errorf("storm: %w", err)
		}
	}
	if o.plot != "" {
		return r.Plot(o.plot)
	}
	return nil
}

func parse(args []string) (storm.Config, outputs, error) {
	c := storm.DefaultConfig()
	c.Progress = os.Stderr
	var o outputs
	f := flag.NewFlagSet("storm", flag.ContinueOnError)
	f.Usage = func() {
		fmt.Fprintln(f.Output(), "usage: storm [flags] -- server args…   ({addr} and {tls} become free addresses)")
		fmt.Fprintln(f.Output(), "       storm [flags] -pid PID -addr host:port")
		fmt.Fprintln(f.Output(), "       storm bench -h")
		f.PrintDefaults()
	}
	f.IntVar(&c.PID, "pid", 0, "`PID` of a server that runs already")
	f.StringVar(&c.Addr, "addr", "", "`host:port` of plain HTTP; found out if not given")
	f.StringVar(&c.TLSAddr, "tls-addr", "", "`host:port` of TLS; found out if not given")
	f.StringVar(&c.LogFile, "log", "", "`file` for what the server prints")
	sig := f.String("signal", "HUP", "`signal` that restarts the server")
	f.StringVar(&c.RestartCommand, "restart-cmd", "", "shell `command` that restarts the server, instead of the signal; {pid} is who serves")
	f.BoolVar(&c.Control, "control", false, "start and stop a copy of the server between two restarts, for comparison")
	f.IntVar(&c.Restarts, "restarts", c.Restarts, "`number` of restarts; 0: load only")
	f.DurationVar(&c.Every, "every", c.Every, "from one restart to the next")
	f.DurationVar(&c.Warmup, "warmup", c.Warmup, "load before the first restart")
	f.DurationVar(&c.Cooldown, "cooldown", c.Cooldown, "load after the last restart")
	f.DurationVar(&c.RestartLimit, "restart-limit", c.RestartLimit, "how long a new process may take to answer")
	f.DurationVar(&c.DrainLimit, "drain-limit", c.DrainLimit, "how long to wait in the end for old processes")
	f.DurationVar(&c.Timeout, "timeout", c.Timeout, "of a request, beyond the time it was asked to take")
	f.DurationVar(&c.StopGrace, "stop-grace", c.StopGrace, "between SIGTERM and SIGKILL in the end")
	l := &c.Load
	f.IntVar(&l.Busy, "busy", l.Busy, "`connections` that GET again at once")
	f.IntVar(&l.Think, "think", l.Think, "`connections` that POST after a time to think")
	f.IntVar(&l.Idle, "idle", l.Idle, "`connections` that are mostly idle")
	f.IntVar(&l.Fresh, "fresh", l.Fresh, "`requests` per second, each on a new connection")
	f.IntVar(&l.Slow, "slow", l.Slow, "`connections` with a slow request in flight")
	f.IntVar(&l.Download, "download", l.Download, "`connections` that download slowly")
	f.IntVar(&l.Pipeline, "pipeline", l.Pipeline, "`connections` with two pipelined requests, the second one split")
	f.IntVar(&l.TLS, "tls", l.TLS, "TLS keep-alive `connections`")
	f.IntVar(&l.HTTP2, "h2", l.HTTP2, "HTTP/2 `connections`")
	f.IntVar(&l.WS, "ws", l.WS, "`WebSockets` with a message each second")
	f.DurationVar(&l.BusyPause, "busy-pause", l.BusyPause, "between two requests of a busy connection")
	f.DurationVar(&l.ThinkMin, "think-min", l.ThinkMin, "shortest time to think")
	f.DurationVar(&l.ThinkMax, "think-max", l.ThinkMax, "longest time to think")
	f.DurationVar(&l.IdleFor, "idle-for", l.IdleFor, "between two requests of an idle connection, give or take a half")
	f.DurationVar(&l.SlowFor, "slow-for", l.SlowFor, "how long a slow request takes")
	f.Int64Var(&l.DownloadSize, "download-size", l.DownloadSize, "`bytes` of a download")
	f.Int64Var(&l.DownloadRate, "download-rate", l.DownloadRate, "`bytes` per second of a download")
	f.StringVar(&o.json, "json", "", "write the report to this `file`")
	f.StringVar(&o.plot, "plot", "", "draw the report to this `file`, .svg or .png")
	if err := f.Parse(args); err != nil {
		return c, o, err
	}
	c.Command = f.Args()
	var err error
	c.Signal, err = parseSignal(*sig)
	return c, o, err
}

// parseSignal takes HUP, SIGHUP, hup or a number.
func parseSignal(s string) (syscall.Signal, error) {
	if n, err := strconv.Atoi(s); err == nil && n > 0 && n < 65 {
		return syscall.Signal(n), nil
	}
	name := strings.ToUpper(s)
	if !strings.HasPrefix(name, "SIG") {
		name = "SIG" + name
	}
	if n := unix.SignalNum(name); n != 0 {
		return n, nil
	}
	return 0, fmt.Errorf("storm: there is no signal %q", s)
}
