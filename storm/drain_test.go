package storm

import (
	"slices"
	"testing"

	"example.com/restart/storm/internal/proc"
)

func TestUndrained(t *testing.T) {
	ids := func(pids ...int) (all []proc.ID) {
		for _, p := range pids {
			all = append(all, proc.ID{PID: p})
		}
		return all
	}
	tests := []struct {
		name          string
		living        []proc.ID
		usual, master int
		want          []int
	}{
		{"none", ids(1), 1, 0, nil},
		{"one old", ids(1, 2), 1, 0, []int{1}},
		{"master and worker", ids(1, 5), 2, 1, nil},
		{"master and an old worker", ids(1, 5, 6), 2, 1, []int{5}},
		{"master that does not hold the socket", ids(5, 6), 1, 1, []int{5}},
		{"two workers", ids(1, 5, 6, 7, 8), 3, 1, []int{5, 6}},
		{"nobody", nil, 1, 0, nil},
	}
	for _, tt := range tests {
		if got := undrained(tt.living, tt.usual, tt.master); !slices.Equal(got, tt.want) {
			t.Errorf("%s: got %v, want %v", tt.name, got, tt.want)
		}
	}
}
