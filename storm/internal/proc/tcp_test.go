package proc

import (
	"net"
	"net/netip"
	"os"
	"strings"
	"testing"
)

const heading = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n"

func TestParseTCP(t *testing.T) {
	const good = "   0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 12345 1 0000000000000000 100 0 0 10 0\n"
	tests := []struct {
		name  string
		table string
		want  []Socket
	}{
		{"empty", "", nil},
		{"heading only", heading, nil},
		{"heading without end", strings.TrimSpace(heading), nil},
		{"listening", heading + good, []Socket{{Local: ap("127.0.0.1:8080"), Remote: ap("0.0.0.0:0"), Listening: true, Inode: 12345}}},
		{
			"established over IPv6", heading +
				"  11: 00000000000000000000000001000000:01BB 00000000000000000000000001000000:C350 01 00000000:00000000 00:00000000 00000000     0        0 7 1 x\n",
			[]Socket{{Local: ap("[::1]:443"), Remote: ap("[::1]:50000"), Inode: 7}},
		},
		{
			"IPv4 in IPv6", heading +
				"   2: 0000000000000000FFFF00000100007F:1F90 0000000000000000FFFF00000100007F:C350 01 0:0 00:0 0 0 0 8 1 x",
			[]Socket{{Local: ap("127.0.0.1:8080"), Remote: ap("127.0.0.1:50000"), Inode: 8}},
		},
		{
			"bad lines between", heading + "x\n\n   0: zz:1 00:1 0A a b c d e 9\n  0: 0100007F:1F90 00000000:0000 0A\n 0: 0100007F:1F90 00000000:0000 0A 0 0 0 0 0 -1 1\n" + good,
			[]Socket{{Local: ap("127.0.0.1:8080"), Remote: ap("0.0.0.0:0"), Listening: true, Inode: 12345}},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var got []Socket
			parseTCP([]byte(tt.table), func(s Socket) bool { got = append(got, s); return true })
			if len(got) != len(tt.want) {
				t.Fatalf("got %v, want %v", got, tt.want)
			}
			for i := range got {
				if got[i] != tt.want[i] {
					t.Errorf("got %v, want %v", got[i], tt.want[i])
				}
			}
		})
	}
}

func ap(s string) netip.AddrPort { return netip.MustParseAddrPort(s) }

func TestServes(t *testing.T) {
	listen := func(s string) Socket { return Socket{Local: ap(s), Listening: true} }
	tests := []struct {
		s    Socket
		addr string
		want bool
	}{
		{listen("127.0.0.1:80"), "127.0.0.1:80", true},
		{listen("0.0.0.0:80"), "127.0.0.1:80", true},
		{listen("[::]:80"), "127.0.0.1:80", true},
		{listen("127.0.0.2:80"), "127.0.0.1:80", false},
		{listen("127.0.0.1:81"), "127.0.0.1:80", false},
		{Socket{Local: ap("127.0.0.1:80")}, "127.0.0.1:80", false},
	}
	for _, tt := range tests {
		if got := tt.s.Serves(ap(tt.addr)); got != tt.want {
			t.Errorf("%v serves %s: got %v, want %v", tt.s, tt.addr, got, tt.want)
		}
	}
}

// Against the real /proc: this process listens, and is found.
func TestFindsOurself(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	addr := ap(ln.Addr().String())
	inodes, err := Listeners(addr)
	if err != nil || len(inodes) != 1 {
		t.Fatalf("got %v, %v, want one socket", inodes, err)
	}
	if !Holds(os.Getpid(), inodes) {
		t.Error("we are not found to hold our own socket")
	}
	if Holds(1<<30, inodes) {
		t.Error("a process that does not exist holds a socket")
	}
	c, err := net.Dial("tcp", ln.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	s, err := ln.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	inode, err := ServerEnd(ap(c.LocalAddr().String()), addr)
	if err != nil || !Holds(os.Getpid(), map[uint64]bool{inode: true}) {
		t.Errorf("the server's end %d is not found with us: %v", inode, err)
	}
	st, err := Stat(os.Getpid())
	if err != nil || !st.Alive() || st.RSS == 0 {
		t.Errorf("got %+v, %v, want ourself alive", st, err)
	}
}
