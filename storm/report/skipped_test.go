package report

import (
	"slices"
	"testing"
)

func TestSkippedGroupsByReason(t *testing.T) {
	got := Skipped([]Class{
		{Name: "busy"},
		{Name: "think", Skipped: "needs POST"},
		{Name: "tls", Skipped: "no TLS"},
		{Name: "ws", Skipped: "needs POST"},
	})
	if want := []string{"think, ws (needs POST)", "tls (no TLS)"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}
