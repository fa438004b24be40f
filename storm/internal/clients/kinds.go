package clients

import (
	"context"
	"errors"
	"fmt"

	"example.com/restart/storm/load"
)

// kind describes a class: how many clients it has, what it needs of the server, and what one client does.
type kind struct {
	name  string
	count func(load.Sizes) int
	probe func(context.Context, *env) error
	run   func(*env, *Class, int) // nil for fresh, which keeps no connections
}

var (
	errNoTLS       = errors.New("no TLS address")
	errNeedsMore   = errors.New("needs more than GET of one URL")
	errPlainURL    = errors.New("the URL is not https")
	errPipelineTLS = errors.New("needs plain HTTP, and the URL is https")
)

// wsMove is the class whose connections must stay open in any case.
const wsMove = "wsmove"

// Keeps returns an error if no class of this name keeps its connections.
func Keeps(class string) error {
	for _, k := range kinds(Target{}) {
		if k.name == class && k.run != nil {
			return nil
		}
	}
	return fmt.Errorf("storm: no class %q keeps connections", class)
}

// kinds returns the classes in the order of the table.
func kinds(t Target) []kind {
	all := []kind{
		{"busy", func(s load.Sizes) int { return s.Busy }, probeGet, runBusy},
		{"think", func(s load.Sizes) int { return s.Think }, probeEcho, runThink},
		{"idle", func(s load.Sizes) int { return s.Idle }, probeGet, runIdle},
		{"fresh", func(s load.Sizes) int { return s.Fresh }, probeGet, nil},
		{"slow", func(s load.Sizes) int { return s.Slow }, probeSlow, runSlow},
		{"download", func(s load.Sizes) int { return s.Download }, probeDownload, runDownload},
		{"pipeline", func(s load.Sizes) int { return s.Pipeline }, probeGet, runPipeline},
		{"tls", func(s load.Sizes) int { return s.TLS }, probeTLS, runTLS},
		{"h2", func(s load.Sizes) int { return s.HTTP2 }, probeHTTP2, runHTTP2},
		{"ws", func(s load.Sizes) int { return s.WS }, probeWS, runWS},
		{wsMove, func(s load.Sizes) int { return s.WSMove }, probeWSMove, runWSMove},
	}
	if t.URL == nil {
		return all
	}
	for i := range all {
		if err := leftOut(all[i].name, t.URL.Scheme); err != nil {
			all[i].probe = func(context.Context, *env) error { return err }
		}
	}
	return all
}

// leftOut says why a class cannot use a URL of that scheme; nil if it can.
func leftOut(class, scheme string) error {
	switch class {
	case "think", "slow", "download", "ws", wsMove:
		return errNeedsMore
	case "tls", "h2":
		if scheme != "https" {
			return errPlainURL
		}
	case "pipeline":
		if scheme == "https" {
			return errPipelineTLS
		}
	}
	return nil
}
