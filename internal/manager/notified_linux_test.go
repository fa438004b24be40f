//go:build !restart_portable

package manager

import (
	"log/slog"
	"net"
	"strings"
	"testing"
	"time"

	"example.com/restart/internal/systemdtest"
	"example.com/restart/internal/wire"
)

// With NotifyAccess=all systemd would take the words of any process for those of
// the main one.
func TestOnlyTheMainProcessSpeaks(t *testing.T) {
	ln, err := net.ListenTCP("tcp", &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	for name, before := range map[string]func(*Notified){
		"before it serves":  func(*Notified) {},
		"after the move":    func(s *Notified) { s.Serving(2); s.Restarting(); s.Replacing(1) },
		"when replaced":     func(s *Notified) { s.Serving(2); s.Restarting(); s.Replacing(1); s.Replaced(1) },
		"when it gave back": func(s *Notified) { s.Serving(2); s.GivingBack(1) },
	} {
		t.Run(name, func(t *testing.T) {
			systemd := systemdtest.Listen(t)
			s := &Notified{socket: systemd.Path, every: time.Hour}
			s.Starting(slog.New(slog.DiscardHandler))
			before(s)
			if s.stopPings != nil {
				t.Error("it goes on giving signs of life")
			}
			systemd.Rest()
			s.Keep(wire.File{Name: "web"}, ln)
			s.GiveUp(wire.File{Name: "web"})
			s.Stopping()
			for _, m := range systemd.Rest() {
				t.Errorf("got %q", m.Text)
			}
			if name == "after the move" {
				s.Replaced(1)
			}
		})
	}
	systemd := systemdtest.Listen(t)
	s := &Notified{socket: systemd.Path}
	s.Starting(slog.New(slog.DiscardHandler))
	s.Serving(2)
	s.Stopping()
	if got := systemd.Rest(); len(got) != 2 || !strings.HasPrefix(got[1].Text, "STOPPING=1\n") {
		t.Errorf("got %+v", got)
	}
}
