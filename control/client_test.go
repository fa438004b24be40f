//go:build linux

package control

import (
	"context"
	"errors"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func contains(s string, words ...string) bool {
	for _, w := range words {
		if !strings.Contains(s, w) {
			return false
		}
	}
	return true
}

// What a person reads at three in the morning says what to do.
func TestProgramThatCannotBeReached(t *testing.T) {
	dir := t.TempDir()
	stale, file := filepath.Join(dir, "stale"), filepath.Join(dir, "file")
	l, err := net.Listen("unix", stale)
	if err != nil {
		t.Fatal(err)
	}
	l.(*net.UnixListener).SetUnlinkOnClose(false)
	l.Close()
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]string{
		filepath.Join(dir, "none"):           "no such socket",
		stale:                                "nobody listens on",
		file:                                 "is no socket",
		"":                                   "no socket was given",
		dir + "/" + strings.Repeat("x", 200): "invalid argument",
	} {
		_, err := Client{Path: path}.Status(t.Context())
		if !errors.Is(err, ErrNotRunning) || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: got %v, want %q", path, err, want)
		}
	}
}

// An answer that is broken off, as by a process that is killed.
func TestAnswerThatIsBrokenOff(t *testing.T) {
	for answer, want := range map[string]string{
		"": "EOF",
		"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{":   "unexpected end",
		"HTTP/1.1 200 OK\r\n\r\n{\"event\":\"replaced\"}\n": errEndless.Error(),
	} {
		path := filepath.Join(t.TempDir(), "sock")
		l, err := net.Listen("unix", path)
		if err != nil {
			t.Fatal(err)
		}
		go func() {
			c, err := l.Accept()
			if err != nil {
				return
			}
			defer c.Close()
			c.Read(make([]byte, 4096))
			c.Write([]byte(answer))
		}()
		_, err = Client{Path: path}.Restart(t.Context(), RestartOptions{Drain: func(Progress) {}})
		if !errors.Is(err, ErrLost) || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: got %v, want %q", answer, err, want)
		}
		l.Close()
	}
}

// A drain that is followed to its end.
func TestFollow(t *testing.T) {
	var events []string
	err := follow(strings.NewReader(`{"event":"stopping"}`+"\n"+`{"event":"drained","elapsed_seconds":1.5}`+"\n"), func(p Progress) {
		events = append(events, string(p.Event)+" "+p.Elapsed.String())
	})
	if got := strings.Join(events, ", "); err != nil || got != "stopping 0s, drained 1.5s" {
		t.Errorf("got %s, %v", got, err)
	}
	if err := follow(strings.NewReader("nonsense\n"), func(Progress) {}); err == nil {
		t.Error("nonsense is understood")
	}
}

func TestClientThatIsCalledOff(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := (Client{Path: "/nowhere"}).Status(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}
