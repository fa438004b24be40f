//go:build linux

package exampletest

import (
	"bytes"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// Readme does what the README.md in the current directory says. It runs the
// commands of all ```console blocks, those behind "$ ", in one shell from top
// to bottom, and compares what they print with the lines below them. Nothing
// that they have started may be left: the next README uses the same ports.
//
// The commands are run from the top of the repository. /tmp stands for a
// directory of this test, 127.0.0.1:80xx for a free port. In the expected
// lines a number of four digits or more, such as a PID, stands for any number,
// and a line "..." for any lines.
func Readme(t *testing.T) {
	b, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := exec.LookPath("curl"); err != nil && bytes.Contains(b, []byte("curl ")) {
		t.Skip("curl is not installed (Debian package curl)")
	}
	dir := t.TempDir()
	text := strings.ReplaceAll(freePorts(t, string(b)), "/tmp/", dir+"/")
	steps := parseReadme(text)
	if len(steps) == 0 {
		t.Fatal("README.md has no commands in ```console blocks")
	}

	const mark = "-- end of step --"
	var script strings.Builder
	for _, s := range steps {
		fmt.Fprintf(&script, "%s\necho; echo '%s'\n", s.command, mark)
	}
	out := strings.Split(runScript(t, script.String()), "\n"+mark+"\n")
	for i, s := range steps {
		if i >= len(out)-1 {
			t.Fatalf("the shell ended in the middle of: %s\n%s", s.command, out[len(out)-1])
		}
		if got := strings.Trim(out[i], "\n"); !s.want.MatchString(got) {
			t.Errorf("$ %s\nprinted:\n%s\nwant:\n%s", s.command, got, s.output)
		}
	}
	if t.Failed() {
		logs, _ := filepath.Glob(dir + "/*.log")
		for _, log := range logs {
			b, _ := os.ReadFile(log)
			t.Logf("%s:\n%s", log, b)
		}
	}
}

// The slash is bash's: /dev/tcp/127.0.0.1/8080.
var port = regexp.MustCompile(`127\.0\.0\.1[:/]80\d\d`)

// freePorts puts a free port in the place of each one that the README uses.
func freePorts(t *testing.T, text string) string {
	t.Helper()
	free := make(map[string]string)
	return port.ReplaceAllStringFunc(text, func(addr string) string {
		host, port := addr[:len("127.0.0.1:")], addr[len("127.0.0.1:"):]
		if free[port] == "" {
			free[port] = freePort(t)
		}
		return host + free[port]
	})
}

// freePort returns a port that nobody listens on and that the kernel gives to
// no client (ip(7), ip_local_port_range), so that it stays free.
func freePort(t *testing.T) string {
	t.Helper()
	for range 100 {
		port := strconv.Itoa(15000 + rand.IntN(15000))
		if ln, err := net.Listen("tcp", "127.0.0.1:"+port); err == nil {
			ln.Close()
			return port
		}
	}
	t.Fatal("no free port between 15000 and 30000")
	return ""
}

// A step is a command and what it should print.
type step struct {
	command, output string
	want            *regexp.Regexp
}

func parseReadme(text string) []step {
	var steps []step
	inside := false
	for line := range strings.Lines(text) {
		line = strings.TrimSuffix(line, "\n")
		command, isCommand := strings.CutPrefix(line, "$ ")
		switch {
		case strings.HasPrefix(line, "```"):
			inside = line == "```console"
		case !inside:
		case isCommand:
			steps = append(steps, step{command: command})
		case len(steps) > 0:
			last := &steps[len(steps)-1]
			if strings.HasSuffix(last.command, `\`) {
				last.command += "\n" + line
			} else {
				last.output += line + "\n"
			}
		}
	}
	for i := range steps {
		steps[i].want = pattern(strings.TrimSuffix(steps[i].output, "\n"))
	}
	return steps
}

var number = regexp.MustCompile(`[0-9]{4,}`)

func pattern(output string) *regexp.Regexp {
	var lines []string
	for line := range strings.SplitSeq(output, "\n") {
		if line == "..." {
			lines = append(lines, `(?:.*\n)*.*`)
			continue
		}
		lines = append(lines, number.ReplaceAllString(regexp.QuoteMeta(line), `[0-9]+`))
	}
	return regexp.MustCompile("^" + strings.Join(lines, "\n") + "$")
}

// runScript runs the script, waits until everything that it has started has
// ended, and returns what all that printed.
func runScript(t *testing.T, script string) string {
	t.Helper()
	out, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer out.Close()
	cmd := exec.Command("bash", "-c", script)
	cmd.Dir = "../.."
	cmd.Stdout, cmd.Stderr = w, w
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	err = cmd.Start()
	w.Close()
	if err != nil {
		t.Fatal(err)
	}
	printed := make(chan string)
	go func() {
		b, _ := io.ReadAll(out) // ends when the last process has ended
		printed <- string(b)
	}()
	killAll := func() { _ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	bound := time.AfterFunc(4*Patience, killAll) // READMEs build programs too
	err = cmd.Wait()
	bound.Stop()
	if err != nil {
		killAll()
		t.Errorf("shell: %v", err)
	}
	select {
	case s := <-printed:
		return s
	case <-time.After(Patience):
		killAll()
		t.Errorf("after %v something still runs that the README has started", Patience)
		return <-printed
	}
}
