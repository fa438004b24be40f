//go:build linux

package restarttest_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"syscall"
	"testing"
	"time"

	"example.com/restart"
	"example.com/restart/restarttest"
	"example.com/restart/tcp"
)

// greeter is the program of the examples. It greets whoever connects.
func greeter(version string) restarttest.Setup {
	return func(r *restart.Restarter) error {
		_, err := r.Add("greeter", "tcp", "127.0.0.1:0", tcp.New(func(_ context.Context, c net.Conn) {
			fmt.Fprintln(c, "hello from version", version)
		}))
		return err
	}
}

// greet connects and returns the greeting.
func greet(p *restarttest.Program) string {
	c, err := p.Dial("greeter")
	if err != nil {
		return err.Error()
	}
	defer c.Close()
	c.SetDeadline(time.Now().Add(15 * time.Second))
	line, err := bufio.NewReader(c).ReadString('\n')
	if err != nil {
		return err.Error()
	}
	return line[:len(line)-1]
}

func ExampleProgram_Restart() {
	restartGreeter := func(t testing.TB) { // in your tests: func TestRestart(t *testing.T)
		p := restarttest.New(t, restart.Options{})
		first := p.Start(greeter("1"))
		fmt.Println(greet(p))
		second, err := p.Restart(greeter("2"))
		if err != nil {
			t.Fatal(err)
		}
		fmt.Println(greet(p))
		if err := first.Wait(); err != nil {
			t.Error(err)
		}
		fmt.Println(second.Status().Generation, second.Status().Listeners[0].Inherited)
	}
	run(restartGreeter)
	// Output:
	// hello from version 1
	// hello from version 2
	// 2 true
}

// A version that cannot start changes nothing.
func ExampleProgram_Restart_failure() {
	run(func(t testing.TB) {
		p := restarttest.New(t, restart.Options{})
		p.Start(greeter("1"))
		_, err := p.Restart(func(*restart.Restarter) error { return errors.New("no such key: colour") })
		if e, ok := errors.AsType[*restart.RestartError](err); ok {
			fmt.Printf("%v, %s, %q\n", e.Phase, e.Exit, e.Stderr)
		}
		fmt.Println(greet(p))
	})
	// Output:
	// ready, exit status 1, "no such key: colour\n"
	// hello from version 1
}

func ExampleGeneration_Signal() {
	run(func(t testing.TB) {
		p := restarttest.New(t, restart.Options{})
		first := p.Start(greeter("1"))
		p.Install(greeter("2"))
		first.Signal(syscall.SIGHUP)
		second, err := first.Next()
		if err != nil {
			t.Fatal(err)
		}
		fmt.Println(greet(p))
		second.Signal(syscall.SIGTERM)
		fmt.Println(second.Wait())
	})
	// Output:
	// hello from version 2
	// <nil>
}

// In a bubble of package testing/synctest the hour takes no time.
func ExampleNewInMemory() {
	run(func(t testing.TB) { // in your tests: synctest.Test(t, func(t *testing.T) {...})
		p := restarttest.NewInMemory(t, restart.Options{HammerTime: time.Hour})
		g := p.Start(greeter("1"))
		fmt.Println(greet(p))
		g.Shutdown()
		fmt.Println(g.Wait())
	})
	// Output:
	// hello from version 1
	// <nil>
}

// run stands in for go test, which gives examples no *testing.T.
func run(test func(testing.TB)) {
	rec := &recorder{}
	test(rec)
	rec.end()
	for _, f := range rec.failures {
		fmt.Println(f)
	}
}
