package storm_test

import (
	"strings"
	"testing"

	"example.com/restart/storm"
)

// url is a configuration without restarts.
func url(u string) storm.Config {
	c := gentle()
	c.URL, c.Restarts = u, 0
	return c
}

func TestCannotRun(t *testing.T) {
	for name, c := range map[string]storm.Config{
		"nothing":       {},
		"no such file":  gentle("/nonexistent/server"),
		"ends at once":  gentle("/bin/false"),
		"both":          func() storm.Config { c := gentle("x"); c.PID = 1; return c }(),
		"no address":    func() storm.Config { c := gentle(); c.PID = 1; return c }(),
		"control":       func() storm.Config { c := gentle("x"); c.Control = true; return c }(),
		"no URL":        url("127.0.0.1:80"),
		"other scheme":  url("ftp://127.0.0.1/"),
		"no host":       url("http:///path"),
		"user name":     url("http://me:secret@127.0.0.1/"),
		"command, URL":  func() storm.Config { c := gentle("x"); c.URL = "http://127.0.0.1/"; return c }(),
		"URL, address":  func() storm.Config { c := url("http://127.0.0.1/"); c.Addr = "127.0.0.1:80"; return c }(),
		"URL, signal":   func() storm.Config { c := url("http://127.0.0.1/"); c.Restarts = 1; return c }(),
		"URL, {pid}":    func() storm.Config { c := url("http://127.0.0.1/"); c.RestartCommand = "kill {pid}"; return c }(),
		"stay, no such": func() storm.Config { c := gentle("x"); c.Stay = []string{"htp2"}; return c }(),
		"stay, fresh":   func() storm.Config { c := gentle("x"); c.Stay = []string{"fresh"}; return c }(),
		"negative load": func() storm.Config { c := gentle("x"); c.Load.Busy = -1; return c }(),
	} {
		r, err := storm.Run(t.Context(), c)
		if err == nil || r != nil {
			t.Errorf("%s: got %v, %v, want an error", name, r, err)
			continue
		}
		if !strings.HasPrefix(err.Error(), "storm: ") {
			t.Errorf("%s: error %q has no prefix", name, err)
		}
		if strings.Contains(err.Error(), "secret") {
			t.Errorf("%s: error %q tells a password", name, err)
		}
	}
}
