// Package faulttest breaks restarts, step by step, with real processes.
//
// It has tests only. The table_*_test.go files hold the table: what happens, at
// which steps of a restart, and what must become of it. TestFaults runs each row in
// the same way, and after_test.go checks the same things after each of them.
// docs/operations.md has the table for operators.
//
// By default one step of each fault is tried. FAULTS=all tries every one, and -run
// picks rows:
//
//	FAULTS=all go test ./internal/faulttest -run TestFaults/commit/killed
package faulttest
