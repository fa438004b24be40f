package report

import (
	"bytes"
	"encoding/json"
	"testing"
)

func TestReportSurvivesJSON(t *testing.T) {
	var b bytes.Buffer
	if err := testReport().WriteJSON(&b); err != nil {
		t.Fatal(err)
	}
	var got Report
	if err := json.Unmarshal(b.Bytes(), &got); err != nil || got.Verdict() != testReport().Verdict() {
		t.Errorf("got %q, %v, want %q", got.Verdict(), err, testReport().Verdict())
	}
}
