//go:build unix

package main

import (
	"bufio"
	"fmt"
	"testing"
	"time"

	"example.com/restart"
	"example.com/restart/restarttest"
	"example.com/restart/tcp"
)

func setup(r *restart.Restarter) error {
	_, err := r.Add("echo", "tcp", "127.0.0.1:0", tcp.New(echo))
	return err
}

// A client that is connected when the program is restarted still gets its answer,
// then a goodbye. No process is started for that.
func TestGoodbye(t *testing.T) {
	p := restarttest.New(t, restart.Options{})
	first := p.Start(setup)
	c, err := p.Dial("echo")
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	c.SetDeadline(time.Now().Add(15 * time.Second))
	answers := bufio.NewScanner(c)
	answers.Scan() // the greeting
	if _, err := p.Restart(setup); err != nil {
		t.Fatal(err)
	}
	fmt.Fprintln(c, "still here?")
	for _, want := range []string{"still here?", "bye"} {
		if answers.Scan(); answers.Text() != want {
			t.Errorf("got %q, want %q", answers.Text(), want)
		}
	}
	if answers.Scan() {
		t.Errorf("after the goodbye: got %q", answers.Text())
	}
	if err := first.Wait(); err != nil {
		t.Error(err)
	}
}
