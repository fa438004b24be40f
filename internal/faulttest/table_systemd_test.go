//go:build linux

package faulttest

import (
	"net"
	"os"
)

// Faults of a process that systemd watches.
var faultsUnderSystemd = []fault{
	{
		name: "socket gone", what: "systemd cannot be told of the new process",
		steps: []step{atManager}, prepare: underSystemd,
		do: func(s *scene) outcome {
			socket := s.notifySocket()
			if err := os.Rename(socket, socket+".away"); err != nil {
				s.t.Fatal(err)
			}
			o := s.restart()
			if err := os.Rename(socket+".away", socket); err != nil {
				s.t.Fatal(err)
			}
			return o
		},
		serves: oldServes, says: "failed in phase commit: …no such file or directory…",
		logs:   "restart: the service manager does not know the state of this process",
		advice: "see [systemd.md](systemd.md#the-unit)",
	},
	{
		name: "new killed under systemd", what: "the new process is killed",
		steps: []step{atService, atSpawn, atState, atClaim, atBind}, deed: killed, prepare: underSystemd,
		serves: oldServes, says: "failed in phase ready: it exited before taking over",
		advice: "the journal has its exit status",
	},
	{
		name: "old killed under systemd", what: "the old process dies while the new one starts",
		steps: []step{atService, atSpawn, atState, atClaim, atBind}, deed: waits, prepare: underSystemd, do: killOld,
		serves: nobodyServes, loses: oldsOwn, askerMayGo: true, leavesFiles: true,
		advice: "nothing: the new one ends too, and systemd starts the program again",
	},
}

// underSystemd starts the server as a unit of type notify.
func underSystemd(s *scene) {
	socket := s.notifySocket()
	conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: socket, Net: "unixgram"})
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { conn.Close() })
	go func() {
		// What is to be stored is closed by the kernel: nobody asks for it.
		for buf := make([]byte, 4096); err == nil; _, err = conn.Read(buf) {
		}
	}()
	s.env = append(s.env, "NOTIFY_SOCKET="+socket)
}

func (s *scene) notifySocket() string { return s.file("notify") }
