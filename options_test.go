//go:build linux

package restart

import (
	"context"
	"errors"
	"log/slog"
	"math"
	"net"
	"reflect"
	"strings"
	"testing"
	"time"
)

// optionRules says for each field what zero becomes, and which values pass
// through unchanged or are refused.
var optionRules = map[string]struct {
	zero    any // what zero is replaced by; nil: stays
	keep    []any
	refused []any
}{
	"HammerTime":   {DefaultHammerTime, []any{time.Nanosecond, time.Duration(-1), time.Duration(math.MaxInt64)}, nil},
	"LameDuck":     {nil, []any{time.Second}, []any{time.Duration(-1)}},
	"ReadyTimeout": {DefaultReadyTimeout, []any{time.Nanosecond, time.Duration(-1), time.Duration(math.MaxInt64)}, nil},
	"Keeper":       {nil, []any{KeeperAlways, KeeperNever}, []any{KeeperNever + 1}},
	"SettleTime":   {nil, []any{time.Second}, []any{time.Duration(-1)}},
	"Probation":    {nil, []any{time.Second}, []any{time.Duration(-1)}},
	"MaxDraining":  {DefaultMaxDraining, []any{1, -1}, nil},
	"PIDFile":      {nil, []any{"/run/x.pid"}, nil},
	"Version":      {nil, []any{"v1"}, []any{strings.Repeat("v", maxVersion+1)}},
	"Command":      {nil, []any{func(*Command) error { return nil }}, nil},
	"ListenConfig": {nil, []any{net.ListenConfig{KeepAlive: 5}}, nil},
	"Logger":       {slog.Default(), []any{slog.New(slog.DiscardHandler)}, nil},
}

// A field that somebody adds and forgets fails here.
func TestEveryOptionIsHandled(t *testing.T) {
	typ := reflect.TypeFor[Options]()
	if got, want := len(optionRules), typ.NumField(); got != want {
		t.Errorf("got %d rules, want one for each of %d fields", got, want)
	}
	for f := range typ.Fields() {
		rule, ok := optionRules[f.Name]
		if !ok {
			t.Errorf("no rule for %s", f.Name)
			continue
		}
		field := func(o Options) reflect.Value { return reflect.ValueOf(o).FieldByIndex(f.Index) }

		o, err := Options{}.withDefaults("/start")
		if err != nil {
			t.Fatal(err)
		}
		if rule.zero == nil {
			if !field(o).IsZero() {
				t.Errorf("%s: zero became %v, want it to stay", f.Name, field(o))
			}
		} else if got := field(o).Interface(); !reflect.DeepEqual(got, rule.zero) {
			t.Errorf("%s: zero became %v, want %v", f.Name, got, rule.zero)
		}
		for _, v := range rule.keep {
			o := Options{}
			reflect.ValueOf(&o).Elem().FieldByIndex(f.Index).Set(reflect.ValueOf(v))
			o, err := o.withDefaults("/start")
			if err != nil {
				t.Errorf("%s: %v: %v", f.Name, v, err)
			}
			got := field(o)
			if f.Type.Kind() == reflect.Func {
				if got.Pointer() != reflect.ValueOf(v).Pointer() {
					t.Errorf("%s: got another function", f.Name)
				}
			} else if !reflect.DeepEqual(got.Interface(), v) {
				t.Errorf("%s: got %v, want %v as given", f.Name, got, v)
			}
		}
		for _, v := range rule.refused {
			o := Options{}
			reflect.ValueOf(&o).Elem().FieldByIndex(f.Index).Set(reflect.ValueOf(v))
			if _, err := o.withDefaults("/start"); err == nil || !strings.Contains(err.Error(), f.Name) {
				t.Errorf("%s: %v: got error %v, want one that names the field", f.Name, v, err)
			}
		}
	}
}

func TestRelativePIDFileStartsWhereTheProgramStarted(t *testing.T) {
	o, err := Options{PIDFile: "x.pid"}.withDefaults("/start")
	if got, want := o.PIDFile, "/start/x.pid"; err != nil || got != want {
		t.Errorf("got %q, %v; want %q", got, err, want)
	}
	if _, err := (Options{PIDFile: "x.pid"}).withDefaults(""); err == nil || !strings.Contains(err.Error(), "PIDFile") {
		t.Errorf("got %v, want an error that names the option", err)
	}
}

func TestNewRefusesBadOptions(t *testing.T) {
	if r, err := New(Options{SettleTime: -1}); err == nil || r != nil {
		t.Errorf("got %v, %v; want an error", r, err)
	}
}

func TestAddRefuses(t *testing.T) {
	r := fakeRestarter(t, Options{}, fakeSystem())
	svc := newTestService()
	if _, err := r.Add("a", "tcp", "127.0.0.1:0", svc); err != nil {
		t.Fatal(err)
	}
	for name, add := range map[string]func() error{
		"no service":        func() error { _, err := r.Add("n", "tcp", "127.0.0.1:0", nil); return err },
		"no packet service": func() error { _, err := r.AddPacket("n", "udp", "127.0.0.1:0", nil); return err },
		"no name":           func() error { _, err := r.Add("", "tcp", "127.0.0.1:0", svc); return err },
		"long name":         func() error { _, err := r.Add(strings.Repeat("x", maxName+1), "tcp", ":0", svc); return err },
		"twice":             func() error { _, err := r.Add("a", "tcp", "127.0.0.1:0", svc); return err },
		"udp":               func() error { _, err := r.Add("u", "udp", "127.0.0.1:0", svc); return err },
		"tcp for packets":   func() error { _, err := r.AddPacket("t", "tcp", "127.0.0.1:0", packetService{}); return err },
		"network":           func() error { _, err := r.Add("x", "carrier pigeon", ":0", svc); return err },
		"address":           func() error { _, err := r.Add("y", "tcp", "no port", svc); return err },
	} {
		if err := add(); err == nil || !strings.HasPrefix(err.Error(), "restart: ") {
			t.Errorf("%s: got %v, want an error of this package", name, err)
		}
	}
	// A name whose listener failed is free again.
	if _, err := r.Add("y", "tcp", "127.0.0.1:0", svc); err != nil {
		t.Error(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := r.Run(ctx); err != nil {
		t.Error(err)
	}
	if _, err := r.Add("late", "tcp", "127.0.0.1:0", svc); !errors.Is(err, ErrStopped) {
		t.Errorf("got %v, want ErrStopped", err)
	}
}
