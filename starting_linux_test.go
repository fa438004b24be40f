//go:build !restart_portable

package restart

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"example.com/restart/internal/fdutil"
	"example.com/restart/internal/wire"
)

// A successor that cannot say that it is ready gives up. Otherwise the predecessor
// would wait until ReadyTimeout, and could not say why. Only a packet can be too
// large for the kernel.
func TestReadyThatCannotBeSent(t *testing.T) {
	o := newOldProcess(t)
	var names []string
	for i := range 19 { // as many long names as one message takes
		names = append(names, fmt.Sprintf("%0250d", i))
	}
	inScript(func() {
		o.hello()
		f := dup(t, o.ln)
		defer f.Close()
		for _, name := range names {
			desc := o.desc()
			desc.Name = name
			o.send(wire.TypeFiles, wire.Files{Files: []wire.File{desc}}, f)
		}
		o.send(wire.TypeStart, wire.Start{})
	})
	x := &run{t: t, log: newLogs(t), result: make(chan error, 1)}
	var err error
	if x.r, err = newRestarter(Options{Logger: slogTo(x.log)}, o.system()); err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		if _, err := x.r.Add(name, "tcp", o.address(), newTestService()); err != nil {
			t.Fatal(err)
		}
	}
	f, err := x.r.pred.Conn.File()
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := fdutil.Control(f, func(fd int) error { return unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_SNDBUF, 1) }); err != nil {
		t.Fatal(err)
	}
	x.run()
	if err := x.returned(); !errors.Is(err, unix.EMSGSIZE) {
		t.Errorf("Run: got %v, want EMSGSIZE", err)
	}
	inScript(func() {
		var failed wire.Note
		o.want(wire.TypeFailed, &failed)
		if !strings.Contains(failed.Text, "send ready") {
			t.Errorf("the predecessor is told %q", failed.Text)
		}
	})
}
