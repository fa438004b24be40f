package bench

import "testing"

func TestParseCounts(t *testing.T) {
	const table = `strace: Process 7 detached
% time     seconds  usecs/call     calls    errors syscall
------ ----------- ----------- --------- --------- ----------------
 90.00    0.010000         100       100        30 sendfile
  5.00    0.001000          10        12           write
  5.00    0.001000          10        xx           read
------ ----------- ----------- --------- --------- ----------------
100.00    0.011000                   112        30 total
`
	got := parseCounts(table)
	if len(got) != 2 || got["sendfile"] != 100 || got["write"] != 12 {
		t.Errorf("got %v, want 100 sendfile and 12 write", got)
	}
	if got := parseCounts(""); len(got) != 0 {
		t.Errorf("of nothing: got %v", got)
	}
}
