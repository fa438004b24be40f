package cli

import (
	"bytes"
	"strings"
	"testing"
)

func TestMainHelp(t *testing.T) {
	for _, args := range [][]string{{"help"}, {"-h"}, {"--help"}, {"run", "-h"}, {"bench", "-h"}, {"compare", "-h"}} {
		var out, errs bytes.Buffer
		if got := Main(t.Context(), args, &out, &errs); got != exitGood {
			t.Errorf("%q: exit status %d, want 0", args, got)
		}
		if !strings.Contains(out.String(), "Usage:") || errs.Len() > 0 {
			t.Errorf("%q: printed %q and %q, want help on the standard output", args, out.String(), errs.String())
		}
	}
}

// The first form of the command line had no "run".
func TestMainTakesFlagsForRun(t *testing.T) {
	for _, args := range [][]string{{"--", "/no/such/server"}, {"-restarts", "1", "--", "/no/such/server"}, {"run", "--", "/no/such/server"}} {
		var out, errs bytes.Buffer
		if got := Main(t.Context(), args, &out, &errs); got != exitFailed {
			t.Errorf("%q: exit status %d, want %d", args, got, exitFailed)
		}
		if !strings.Contains(errs.String(), "/no/such/server: no such file") {
			t.Errorf("%q: printed %q, want that it cannot start the server", args, errs.String())
		}
	}
}

func TestMainRefuses(t *testing.T) {
	for _, args := range [][]string{{}, {"./server"}, {"benhc"}} {
		var out, errs bytes.Buffer
		if got := Main(t.Context(), args, &out, &errs); got != exitFailed || !strings.Contains(errs.String(), "Usage:") {
			t.Errorf("%q: exit status %d and %q, want %d and the usage", args, got, errs.String(), exitFailed)
		}
	}
}
