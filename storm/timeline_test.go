package storm

import (
	"testing"

	"example.com/restart/storm/report"
)

func TestMergeKeepsLossesAndPeaks(t *testing.T) {
	var long []report.Moment
	for i := range 10 {
		long = append(long, report.Moment{At: float64(i), Lost: 1, Answered: 2, Max: float64(i)})
	}
	got := merge(long)
	var lost, answered int64
	for _, m := range got {
		lost += m.Lost
		answered += m.Answered
	}
	if len(got) != 5 || lost != 10 || answered != 20 || got[4].Max != 9 || got[4].At != 8 {
		t.Errorf("got %+v, want 5 moments with 10 lost", got)
	}
}
