package cli

import (
	"bytes"
	"flag"
	"strings"
	"testing"
	"time"
)

func TestHelpIsGrouped(t *testing.T) {
	f := newFlags("test", "Usage.\n", "\nExamples.\n")
	d, n, s := time.Second, 0, ""
	f.group("One")
	f.duration(&d, "wait", "how long")
	f.group("Two")
	f.string(&s, "file", "`name` of a file")
	f.int(&n, "count", "how many")
	var b bytes.Buffer
	f.writeHelp(&b)
	want := "Usage.\n\nOne:\n" +
		"  -wait duration           how long (default 1s)\n" +
		"\nTwo:\n" +
		"  -file name               name of a file\n" +
		"  -count int               how many\n" +
		"\nExamples.\n"
	if b.String() != want {
		t.Errorf("got\n%s\nwant\n%s", b.String(), want)
	}
	listed := strings.Count(b.String(), "\n  -")
	f.set.VisitAll(func(*flag.Flag) { listed-- })
	if listed != 0 {
		t.Errorf("the help lists %d flags more than there are", listed)
	}
}
