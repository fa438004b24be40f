package sockaddr

import (
	"fmt"
	"net"
	"os"
)

// Privileged returns the port of a TCP or UDP address if the kernel lets only
// privileged processes bind it, 0 otherwise.
func Privileged(network, address string) int {
	if isUnix(network) {
		return 0
	}
	_, service, err := net.SplitHostPort(address)
	if err != nil {
		return 0
	}
	port, err := net.LookupPort(network, service)
	if err != nil || port >= unprivilegedStart() {
		return 0
	}
	return port
}

// unprivilegedStart returns the first port that everybody may bind.
func unprivilegedStart() int {
	start := 1024
	if b, err := os.ReadFile("/proc/sys/net/ipv4/ip_unprivileged_port_start"); err == nil {
		fmt.Sscan(string(b), &start)
	}
	return start
}
