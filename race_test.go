//go:build linux

package restart

import (
	"errors"
	"fmt"
	"os"
	"testing"

	"example.com/restart/internal/channel"
	"example.com/restart/internal/wire"
)

// Add may be called at any time, also while Run gives up what nobody claimed.
func TestAddWhileRunEnds(t *testing.T) {
	for range 30 {
		o := newOldProcess(t)
		o.hello()
		late := newOldProcess(t) // for its socket only
		o.sendFiles()
		var descs []wire.File
		var files []*os.File
		for i := range 40 {
			desc := late.desc()
			desc.Name = fmt.Sprint("late", i)
			descs, files = append(descs, desc), append(files, dup(t, late.ln))
		}
		o.send(wire.TypeFiles, wire.Files{Files: descs}, files...)
		channel.CloseAll(files)
		o.send(wire.TypeStart, wire.Start{})
		x, err := o.newHeir(t, Options{SettleTime: patience})
		if err != nil {
			t.Fatal(err)
		}
		begin, added := make(chan struct{}), make(chan error)
		go func() {
			<-begin
			var err error
			for i := 0; i < 40 && err == nil; i++ {
				_, err = x.r.Add(fmt.Sprint("late", i), "tcp", late.address(), newTestService())
			}
			added <- err
		}()
		close(begin)
		x.r.Shutdown()
		x.run()
		x.returned()
		if err := <-added; err != nil && !errors.Is(err, ErrStopped) {
			t.Errorf("got %v, want ErrStopped if anything", err)
		}
		late.die()
		o.die()
	}
}
