// Package storm puts mixed load on an HTTP server, restarts it again and again, and counts what the clients saw.
//
//	cfg := storm.DefaultConfig()
//	cfg.Command = []string{"./server", "-addr", "{addr}"}
//	report, err := storm.Run(ctx, cfg)
//	if err != nil { … }            // it could not run
//	report.WriteTable(os.Stdout)
//	if report.Lost > 0 { … }       // it ran, and requests were lost
//
// # What it does to the process it runs in
//
// While Run runs, the garbage collector is off up to a limit of memory, for its pauses would count as the server's latency. A
// server that Run starts makes this process the reaper of its orphaned descendants (PR_SET_CHILD_SUBREAPER), and it stays
// so. One Run at a time.
//
// It works on Linux only, for it learns from /proc which process serves.
package storm
