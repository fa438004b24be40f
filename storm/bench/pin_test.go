package bench

import "testing"

func TestDivide(t *testing.T) {
	tests := []struct{ cpus, server, client []int }{
		{nil, nil, nil},
		{[]int{3}, nil, nil},
		{[]int{0, 1}, []int{0}, []int{1}},
		{[]int{2, 5, 7}, []int{2}, []int{5, 7}},
	}
	for _, tt := range tests {
		got := divide(tt.cpus)
		if len(got.server) != len(tt.server) || len(got.client) != len(tt.client) {
			t.Errorf("%v: got %v, want %v and %v", tt.cpus, got, tt.server, tt.client)
			continue
		}
		for _, s := range got.server {
			for _, c := range got.client {
				if s == c {
					t.Errorf("%v: CPU %d is the server's and the client's", tt.cpus, s)
				}
			}
		}
	}
}
