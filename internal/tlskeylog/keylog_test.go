package tlskeylog

import (
	"bytes"
	"crypto/tls"
	"fmt"
	"io"
	"strings"
	"testing"
)

// A learner needs so many secrets.
type learner struct {
	need int
	got  []string
	kept [][]byte // not copied
}

func (l *learner) Learn(label string, secret []byte) bool {
	l.got = append(l.got, fmt.Sprintf("%s %x", label, secret))
	l.kept = append(l.kept, secret)
	return len(l.got) == l.need
}

func line(label string, random byte, secret string) string {
	return fmt.Sprintf("%s %x %s\n", label, bytes.Repeat([]byte{random}, 32), secret)
}

func TestSecretsGoToTheirFollower(t *testing.T) {
	var log Log
	w := log.Writer(nil)
	one, two := &learner{need: 2}, &learner{need: 1}
	log.Follow(Random(bytes.Repeat([]byte{1}, 32)), one)
	log.Follow(Random(bytes.Repeat([]byte{2}, 32)), two)
	for _, s := range []string{
		line(ClientTraffic, 1, "0a"), line(Master, 2, "0b"), line(ServerTraffic, 1, "0c"),
		line(ClientTraffic, 1, "0d"), line(ClientTraffic, 3, "0e"), // nobody needs these
	} {
		if n, err := io.WriteString(w, s); n != len(s) || err != nil {
			t.Fatalf("write: got %d, %v", n, err)
		}
	}
	if got, want := strings.Join(one.got, ","), ClientTraffic+" 0a,"+ServerTraffic+" 0c"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	if got, want := strings.Join(two.got, ","), Master+" 0b"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	if log.Len() != 0 {
		t.Errorf("%d handshakes are still followed, want none", log.Len())
	}
	for _, b := range one.kept {
		if b[0] != 0 {
			t.Errorf("a secret was not overwritten: %x", b)
		}
	}
}

// The last one who follows a Random has it; the one before does not take it away.
func TestSameRandom(t *testing.T) {
	var log Log
	one, two := &learner{need: 1}, &learner{need: 1}
	log.Follow(Random{}, one)
	log.Follow(Random{}, two)
	log.Forget(Random{}, one)
	io.WriteString(log.Writer(nil), line(Master, 0, "0a"))
	if len(one.got) != 0 || len(two.got) != 1 {
		t.Errorf("got %d and %d secrets, want 0 and 1", len(one.got), len(two.got))
	}
}

func TestMalformedLinesAreIgnored(t *testing.T) {
	var log Log
	f := &learner{need: 1}
	log.Follow(Random{}, f)
	zero := strings.Repeat("00", 32)
	for _, s := range []string{
		"", "\n", "# comment\n", Master + " " + zero + "\n", Master + " 00 00\n", Master + " " + zero + " xy\n",
		Master + " " + zero + " 0\n", Master + " " + zero + " " + strings.Repeat("00", maxSecret+1) + "\n",
		Master + " " + strings.Repeat("zz", 32) + " 00\n", Master + " " + zero + " 00 00\n",
	} {
		io.WriteString(log.Writer(nil), s)
		if len(f.got) > 0 {
			t.Fatalf("%q was taken for a secret", s)
		}
	}
}

// The program's own key log gets everything, and its error.
func TestWriterPassesOn(t *testing.T) {
	var log Log
	var theirs strings.Builder
	s := line(Master, 1, "0a") + "other\n"
	if _, err := io.WriteString(log.Writer(&theirs), s); err != nil || theirs.String() != s {
		t.Errorf("got %q, %v; want %q", theirs.String(), err, s)
	}
	_, w := io.Pipe()
	w.Close()
	if _, err := io.WriteString(log.Writer(w), s); err != io.ErrClosedPipe {
		t.Errorf("got %v, want the error of the program's writer", err)
	}
}

// A configuration that GetConfigForClient returns is not changed, and its copy
// tells its secrets.
func TestInstall(t *testing.T) {
	var log Log
	theirs := new(tls.Config)
	c := &tls.Config{GetConfigForClient: func(*tls.ClientHelloInfo) (*tls.Config, error) { return theirs, nil }}
	log.Install(c)
	own, err := c.GetConfigForClient(nil)
	if err != nil {
		t.Fatal(err)
	}
	if c.KeyLogWriter == nil || own.KeyLogWriter == nil || theirs.KeyLogWriter != nil {
		t.Errorf("got writers %v, %v, %v; want two and none in the program's", c.KeyLogWriter, own.KeyLogWriter, theirs.KeyLogWriter)
	}
	none := &tls.Config{GetConfigForClient: func(*tls.ClientHelloInfo) (*tls.Config, error) { return nil, io.EOF }}
	log.Install(none)
	if own, err := none.GetConfigForClient(nil); own != nil || err != io.EOF {
		t.Errorf("got %v, %v; want nothing and the program's error", own, err)
	}
}

func FuzzWriter(f *testing.F) {
	f.Add([]byte(line(Master, 0, "0a")))
	f.Add([]byte(line(ClientTraffic, 0, strings.Repeat("ff", maxSecret))))
	f.Fuzz(func(t *testing.T, b []byte) {
		var log Log
		l := &learner{need: 2}
		log.Follow(Random{}, l)
		log.Writer(nil).Write(b)
		for _, s := range l.kept {
			if len(s) > maxSecret {
				t.Fatalf("a secret of %d bytes", len(s))
			}
		}
	})
}
