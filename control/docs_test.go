//go:build linux

package control

import (
	"bufio"
	"fmt"
	"net"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"testing"

	"example.com/restart/internal/proctest"
)

// A session is a command in docs/control.md, and what it is said to print.
type session struct{ command, output string }

var curlSession = regexp.MustCompile(`(?m)^ {4}\$ (curl .*)\n((?: {4}[^$\s].*\n)+)`)

func curlSessions(t *testing.T) []session {
	t.Helper()
	b, err := os.ReadFile("../docs/control.md")
	if err != nil {
		t.Fatal(err)
	}
	var all []session
	for _, m := range curlSession.FindAllStringSubmatch(string(b), -1) {
		all = append(all, session{m[1], strings.ReplaceAll(m[2], "    ", "")})
	}
	return all
}

var number = regexp.MustCompile(`\d+(\\\.\d+)?`)

// matches reports whether got is the documented line, with any other numbers. In
// documentation "…" stands for any text.
func matches(documented, got string) bool {
	pattern := number.ReplaceAllString(regexp.QuoteMeta(documented), `\d+(\.\d+)?`)
	return regexp.MustCompile("^" + strings.ReplaceAll(pattern, "…", ".*") + "$").MatchString(got)
}

// The sessions with curl in docs/control.md go as they are printed there.
func TestDocumentedRequests(t *testing.T) {
	if _, err := exec.LookPath("curl"); err != nil {
		t.Skipf("the documented commands are not tried: %v", err)
	}
	f, g, c, broken := startServer(t, "server")
	sessions := curlSessions(t)
	if len(sessions) != 3 {
		t.Fatalf("found %d sessions in docs/control.md, want 3", len(sessions))
	}
	for _, s := range sessions {
		os.Remove(broken)
		fails := strings.Contains(s.output, `"code":"failed"`)
		if fails {
			if err := os.WriteFile(broken, []byte("config: loading /etc/myserver.conf\nconfig: no such key: colour"), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		got, documented := s.run(t, g, c), strings.Split(strings.TrimSpace(s.output), "\n")
		// How many lines tell of a drain depends on how fast it is.
		got, documented = collapse(got), collapse(documented)
		if len(got) != len(documented) {
			t.Errorf("%s\ngot %q, want %q", s.command, got, documented)
			continue
		}
		for i := range got {
			if !matches(documented[i], got[i]) {
				t.Errorf("%s\ngot  %s\nwant %s", s.command, got[i], documented[i])
			}
		}
		if !fails {
			g = f.Serving(g.Number+1, 2)
		}
	}
	stopServer(t, f, c, g)
}

// collapse leaves out the lines between the first and the last of a drain.
func collapse(lines []string) []string {
	return slices.DeleteFunc(slices.Clone(lines), func(line string) bool { return strings.HasPrefix(line, `{"event":"draining",`) })
}

// run runs the session and returns the lines that it prints. A client has a
// connection until the first one.
func (s session) run(t *testing.T, g proctest.Generation, c Client) (lines []string) {
	t.Helper()
	conn, err := net.Dial("tcp", g.Addr["web"])
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	fmt.Fprintln(conn, "who?")
	if _, err := bufio.NewReader(conn).ReadString('\n'); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("sh", "-c", strings.ReplaceAll(s.command, "/run/myserver.sock", c.Path))
	out, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	for scanner := bufio.NewScanner(out); scanner.Scan(); conn.Close() {
		lines = append(lines, scanner.Text())
	}
	if err := cmd.Wait(); err != nil {
		t.Errorf("%s: %v", s.command, err)
	}
	return lines
}
