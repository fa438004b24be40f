package proc

import (
	"os"
	"strings"
	"testing"
)

func TestParseStat(t *testing.T) {
	const rest = " S 17 42 43 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 1 0 98765 1000000 250 18446744073709551615"
	for _, name := range []string{"server", "a b", "a) S 1 1 (b", ")", "((", ""} {
		got, err := parseStat([]byte("42 (" + name + ")" + rest))
		want := Status{ID: ID{42, 98765}, Parent: 17, Session: 43, RSS: 250 * int64(os.Getpagesize())}
		if err != nil || got != want {
			t.Errorf("%q: got %+v, %v, want %+v", name, got, err, want)
		}
	}
	if got, err := parseStat([]byte("42 (x)" + strings.Replace(rest, "S", "Z", 1))); err != nil || !got.Zombie {
		t.Errorf("zombie: got %+v, %v", got, err)
	}
	for _, bad := range []string{"", "42", "42 (x", "x (y)" + rest, ") (", "42 (x) S 1 2", strings.Replace("42 (x)"+rest, "98765", "-1", 1)} {
		if got, err := parseStat([]byte(bad)); err == nil {
			t.Errorf("%q: got %+v, want an error", bad, got)
		}
	}
}

func TestParseSocketLink(t *testing.T) {
	if got, ok := parseSocketLink("socket:[123]"); !ok || got != 123 {
		t.Errorf("got %d, %v, want 123", got, ok)
	}
	for _, bad := range []string{"", "socket:[", "socket:[]", "socket:[x]", "pipe:[1]", "socket:[1", "/tmp/socket:[1]"} {
		if _, ok := parseSocketLink(bad); ok {
			t.Errorf("%q was taken for a socket", bad)
		}
	}
}
