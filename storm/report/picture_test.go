package report

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestPlotRefuses(t *testing.T) {
	if err := testReport().Plot("x.gif"); err == nil {
		t.Error("a GIF was drawn")
	}
	if err := (&Report{}).Plot("x.png"); err == nil {
		t.Error("a picture of nothing was drawn")
	}
}

// The panel of losses takes room only if there is something in it.
func TestPlotHasLossesOnlyIfThereWereAny(t *testing.T) {
	for _, lost := range []int64{0, 2} {
		r := testReport()
		r.Lost = lost
		path := filepath.Join(t.TempDir(), "picture.svg")
		if err := r.Plot(path); err != nil {
			t.Fatal(err)
		}
		b, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		for label, want := range map[string]bool{">lost<": lost > 0, ">p50<": true, ">p99<": true, ">max<": true} {
			if got := strings.Contains(string(b), label); got != want {
				t.Errorf("%d lost: label %q drawn: %v, want %v", lost, label, got, want)
			}
		}
	}
}
