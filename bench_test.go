//go:build linux

package restart

import (
	"fmt"
	"testing"
)

// How long a restart takes, from the call of Restart until the successor serves,
// by the number of listeners. Real processes, nobody connected.
func BenchmarkRestart(b *testing.B) {
	for _, n := range []int{1, 100, 1000} {
		b.Run(fmt.Sprintf("listeners=%d", n), func(b *testing.B) {
			var cfg config
			for i := range n {
				cfg.Listeners = append(cfg.Listeners, listenerConfig{fmt.Sprint("l", i), "tcp", "127.0.0.1:0"})
			}
			s := serve(b, cfg)
			for b.Loop() {
				if got := s.restart(); got != "<nil>" {
					b.Fatal(got)
				}
			}
			s.stop()
		})
	}
}
