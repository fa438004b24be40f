package restarttest

import (
	"context"
	"log/slog"
)

// A mortal handler is silent after the death of its generation, and while the test
// ends: what is logged then says nothing about the program.
type mortal struct {
	slog.Handler
	dead, over <-chan struct{}
}

func (m mortal) Enabled(ctx context.Context, l slog.Level) bool {
	return !isClosed(m.dead) && !isClosed(m.over) && m.Handler.Enabled(ctx, l)
}

func (m mortal) WithAttrs(as []slog.Attr) slog.Handler {
	m.Handler = m.Handler.WithAttrs(as)
	return m
}

func (m mortal) WithGroup(name string) slog.Handler {
	m.Handler = m.Handler.WithGroup(name)
	return m
}
