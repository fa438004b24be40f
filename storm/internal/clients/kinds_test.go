package clients

import (
	"context"
	"net/url"
	"slices"
	"testing"

	"example.com/restart/storm/load"
)

// A URL gets the classes that need nothing but GET; the others say why they do not run.
func TestKindsOfURL(t *testing.T) {
	for scheme, want := range map[string][]string{
		"http":  {"busy", "idle", "fresh", "pipeline"},
		"https": {"busy", "idle", "fresh", "tls", "h2"},
	} {
		var got []string
		for _, k := range kinds(Target{URL: &url.URL{Scheme: scheme}}) {
			if leftOut(k.name, scheme) == nil {
				got = append(got, k.name)
				continue
			}
			if err := k.probe(context.Background(), nil); err == nil {
				t.Errorf("%s: %s is left out, but its probe does not say so", scheme, k.name)
			}
		}
		if !slices.Equal(got, want) {
			t.Errorf("%s: got %v, want %v", scheme, got, want)
		}
	}
}

// A class that kinds forgets would silently not run.
func TestKindsCountEachSize(t *testing.T) {
	sizes := load.Sizes{Busy: 1, Think: 2, Idle: 3, Fresh: 4, Slow: 5, Download: 6, Pipeline: 7, TLS: 8, HTTP2: 9, WS: 10, WSMove: 11}
	for i, k := range kinds(Target{}) {
		if got := k.count(sizes); got != i+1 {
			t.Errorf("%s: counts %d, want %d", k.name, got, i+1)
		}
	}
}
