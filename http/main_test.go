//go:build linux

package restarthttp_test

import (
	"os"
	"testing"

	"example.com/restart/internal/proctest"
)

func TestMain(m *testing.M) {
	os.Exit(proctest.Main(m, map[string]func(){
		"plain":    role(servePlain),
		"announce": role(serveAnnounced),
		"tls":      role(serveTLS),
		"movetls":  role(serveMoveTLS),
		"dying":    role(serveDying),
		"listed":   role(serveListed),
		"separate": role(serveSeparately),
		"hooked":   role(serveHooked),
		"own":      role(serveWithOptions),
		"probed":   role(serveProbed),
		"h2c":      role(serveH2C),
		"h2tls":    role(serveH2TLS),
	}))
}
