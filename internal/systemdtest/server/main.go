// Command server is what the tests run under a real systemd. It answers each line
// with its PID. With the argument "reload" it asks the running server for a
// restart, and fails if that fails.
package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"strings"
	"sync/atomic"
	"time"

	"example.com/restart"
	"example.com/restart/tcp"
)

const (
	address = "127.0.0.1:8080"
	control = "/run/server.sock"
	broken  = "/run/server.broken" // why a new process fails, if that exists
	quit    = "/run/load.quit"     // ends "load" when that exists
)

func main() {
	run := serve
	if len(os.Args) == 2 {
		run = map[string]func() error{"reload": reload, "load": load, "ask": ask}[os.Args[1]]
	}
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func serve() error {
	r, err := restart.New(restart.Options{})
	if err != nil {
		return err
	}
	if words, err := os.ReadFile(broken); err == nil {
		return errors.New(string(words))
	}
	if _, err := r.Add("web", "tcp", address, tcp.New(answer)); err != nil {
		return err
	}
	reloads := tcp.New(func(_ context.Context, c net.Conn) {
		fmt.Fprintln(c, r.Restart(context.Background()))
	})
	if _, err := r.Add("control", "unix", control, reloads); err != nil {
		return err
	}
	return r.Run(context.Background())
}

func answer(_ context.Context, c net.Conn) {
	for lines := bufio.NewScanner(c); lines.Scan(); {
		if lines.Text() == "slow" {
			time.Sleep(time.Second)
		}
		fmt.Fprintln(c, os.Getpid())
	}
}

func reload() error {
	answer, err := once("unix", control, "")
	if err == nil && answer != "<nil>" {
		err = errors.New(answer)
	}
	return err
}

// ask prints the answer to one line.
func ask() error {
	answer, err := once("tcp", address, "slow")
	fmt.Println(answer)
	return err
}

// load asks all the time, from four clients that never try twice.
func load() error {
	fmt.Println("loading")
	var asked, lost atomic.Int64
	done := make(chan struct{})
	for range 4 {
		go func() {
			defer func() { done <- struct{}{} }()
			for {
				if _, err := os.Stat(quit); err == nil {
					return
				}
				asked.Add(1)
				if _, err := once("tcp", address, "who"); err != nil {
					lost.Add(1)
					fmt.Fprintln(os.Stderr, err)
				}
				time.Sleep(time.Millisecond)
			}
		}()
	}
	for range 4 {
		<-done
	}
	if lost.Load() > 0 || asked.Load() == 0 {
		return fmt.Errorf("%d of %d requests were lost", lost.Load(), asked.Load())
	}
	return nil
}

func once(network, address, line string) (string, error) {
	c, err := net.Dial(network, address)
	if err != nil {
		return "", err
	}
	defer c.Close()
	if err := c.SetDeadline(time.Now().Add(20 * time.Second)); err != nil {
		return "", err
	}
	if line != "" {
		if _, err := fmt.Fprintln(c, line); err != nil {
			return "", err
		}
	}
	answer, err := bufio.NewReader(c).ReadString('\n')
	return strings.TrimSpace(answer), err
}
