// Package restarttest runs a program and its restarts within one test: no binary
// is built and no process is started.
//
//	func TestRestart(t *testing.T) {
//		p := restarttest.New(t, restart.Options{})
//		first := p.Start(setup("version 1"))
//		c, err := p.Dial("web") // a client, which must notice nothing
//		...
//		second, err := p.Restart(setup("version 2"))
//		...
//		if err := first.Wait(); err != nil { // until the old generation has drained
//			t.Error(err)
//		}
//		// c still works, and version 2 answers.
//	}
//
// To test a [restart.Service] alone, use package
// example.com/restart/servicetest. docs/testing.md says what to test how.
//
// # The program
//
// A program calls New, Add and Run. A test takes the part between New and Run, a
// [Setup]:
//
//	func setup(version string) restarttest.Setup {
//		return func(r *restart.Restarter) error {
//			_, err := r.Add("web", "tcp", "127.0.0.1:0", newServer(version))
//			return err
//		}
//	}
//
// It is best if main calls the same function. [Program.Start] runs it as the first
// generation, and [Program.Restart] as the successor of the generation that
// serves. A Setup that returns an error shows what a restart to a bad version does.
// [Program.Addr] and [Program.Dial] find listeners by name, so tests can listen on
// port 0.
//
// # What is real
//
// Everything but the process: listening sockets and their queues, the handshake
// with its messages and descriptors over a real socket pair, State and Restore,
// connections that move, hooks, the drain, HammerTime, and errors of a restart with
// phase, exit status and last words.
//
// Generations share what a process has only once: memory, global variables, the
// PID, the environment, the working directory, and locks of files. So a test does
// not show that state is lost in a global variable, that a database is still
// locked by the old process, that the binary is missing, or what systemd says.
// Test that with processes, see docs/testing.md. [Generation.Kill] closes
// what the kernel would close, but goroutines live on until they notice. Package
// http's ListenAndServe and Serve use one Restarter for the whole process, so they
// cannot be tested here; add their servers to r instead.
//
// # Signals
//
// [Generation.Signal] does what a signal to a process does, hooks included, and
// sends none. [Program.Install] says what SIGHUP is to start:
//
//	p.Install(setup("version 2"))
//	first.Signal(syscall.SIGHUP)
//	second, err := first.Next()
//
// # Time
//
// Real sockets need real time. In a bubble of [testing/synctest] the clock stands
// still while a goroutine waits for a socket, and with a listener open one always
// does: timers, HammerTime among them, would never fire there. So a program made
// by New does not belong in a bubble. One made by [NewInMemory] does: it opens no
// socket, and a drain of an hour passes at once. But what has no descriptor cannot be
// passed on: such a program can be started, stopped, hammered and killed, but not
// restarted.
//
// # Platforms
//
// Restarts work where they do outside of tests. On other platforms, such as
// Windows, Restart returns restart.ErrUnsupported; all else works.
package restarttest
