package report

import "testing"

func TestAlignTable(t *testing.T) {
	got := alignTable([][]string{{"name", "n"}, {"x", "100"}, nil, {"ä", "1", "more"}})
	want := "name    n\nx     100\n───────────────\nä       1  more\n"
	if got != want {
		t.Errorf("got\n%swant\n%s", got, want)
	}
}
