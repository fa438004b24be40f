// Package injecttest makes each system call of a restart fail, one at a time, and
// checks that the service survives. It has tests only.
//
// The calls fail by a tracer of this package (ptrace(2)), which counts the calls of a
// process. strace would not do: it counts those of each thread, and a goroutine may
// change its thread with every call that waits.
package injecttest
