package compare

import (
	"bytes"
	"errors"
	"testing"

	"example.com/restart/storm/report"
)

func TestJSONKeepsResults(t *testing.T) {
	var b bytes.Buffer
	in := []Result{{Name: "a", Report: &report.Report{Lost: 7}}, {Name: "b", Err: errors.New("skipped: why")}}
	if err := WriteJSON(&b, in); err != nil {
		t.Fatal(err)
	}
	out, err := ReadJSON(&b)
	if err != nil {
		t.Fatal(err)
	}
	if len(out) != 2 || out[0].Name != "a" || out[0].Report.Lost != 7 || out[0].Err != nil ||
		out[1].Name != "b" || out[1].Report != nil || out[1].Err.Error() != "skipped: why" {
		t.Errorf("got %+v, want %+v", out, in)
	}
}
