// Package storm puts mixed load on an HTTP server, restarts it again and again, and counts what the clients lose.
//
//	cfg := storm.DefaultConfig()
//	cfg.Command = []string{"./server", "-addr", "{addr}"}
//	report, err := storm.Run(ctx, cfg)
//	if err != nil { … }            // storm could not run
//	report.WriteTable(os.Stdout)
//	if report.Lost > 0 { … }       // storm ran, and requests were lost
//
// Package load says how much load there is, package report holds the result, package compare runs several servers one
// after the other, and package bench compares the speed of two servers.
//
// # Effects on the calling process
//
// While Run runs, the garbage collector is off until the process uses 1 GiB, because its pauses would count as the
// server's latency. If Run starts a server, the calling process becomes the reaper of its orphaned descendants
// (PR_SET_CHILD_SUBREAPER in prctl(2)) and stays so. Only one Run may run at a time.
//
// # Platform
//
// Storm needs Linux: it learns from /proc which process serves.
package storm
