package storm

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"time"

	"example.com/restart/storm/internal/tally"
	"example.com/restart/storm/internal/target"
)

// control does only what no restart can avoid: it starts a process of the same program, asks it as often whether it
// answers, and ends it. The control counts as under way for as long as the last restart did.
func (r *run) control(ctx context.Context) error {
	addr, err := target.FreeAddr()
	if err != nil {
		return err
	}
	plain, err := netip.ParseAddrPort(addr)
	if err != nil {
		return fmt.Errorf("storm: control: %w", err)
	}
	command := make([]string, len(r.cfg.Command))
	for i, word := range r.cfg.Command {
		command[i] = strings.NewReplacer(addrPlaceholder, addr, tlsPlaceholder, "127.0.0.1:0").Replace(word)
	}
	began := time.Now()
	r.phase.Begin(tally.Control, began)
	defer func() { r.phase.End(time.Now()) }()
	p, err := target.Start(command, r.cfg.Env, "")
	if err != nil {
		return err
	}
	answered, probe := false, r.probeTurn()
	for limit := began.Add(r.cfg.RestartLimit); !answered && time.Now().Before(limit) && ctx.Err() == nil; {
		_ = sleep(ctx, glance)
		if probe.due() {
			r.probe(ctx)
		}
		answered = target.Answers(ctx, plain)
	}
	p.Stop(nil, r.cfg.StopGrace)
	if !answered {
		return errors.Join(ctx.Err(), fmt.Errorf("storm: control: the copy of the server did not answer within %v", r.cfg.RestartLimit))
	}
	return sleep(ctx, r.lasted-time.Since(began))
}
