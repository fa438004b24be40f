//go:build linux

package proctest

import (
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// Load calls ask all the time, two at once, until the function that it returns is
// called. An error of ask is a request that was lost: it fails the test.
func Load(t testing.TB, ask func() error) (stop func()) {
	var asking sync.WaitGroup
	var asked atomic.Int64
	quit := make(chan struct{})
	for range 2 {
		asking.Go(func() {
			pace := time.NewTicker(3 * time.Millisecond) // others need the machine, too
			defer pace.Stop()
			for {
				select {
				case <-quit:
					return
				case <-pace.C:
				}
				asked.Add(1)
				if err := ask(); err != nil {
					t.Errorf("a request was lost: %v", err)
					return
				}
			}
		})
	}
	end := sync.OnceFunc(func() { close(quit); asking.Wait() })
	t.Cleanup(end) // a test that fails ends its server: that is no loss
	return func() {
		t.Helper()
		end()
		if asked.Load() == 0 {
			t.Error("nothing was asked")
		}
	}
}
