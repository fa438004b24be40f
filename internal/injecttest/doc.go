// Package injecttest fails the system calls of one restart, one at a time, and
// looks what becomes of the service. It has tests only.
//
// A tracer of its own (ptrace(2)) makes the calls fail: strace counts the calls of
// each thread for itself, and a goroutine changes its thread with every call that
// waits. The tracer counts those of a process.
package injecttest
