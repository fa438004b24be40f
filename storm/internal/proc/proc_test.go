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
			ParseTCP([]byte(tt.table), func(s Socket) bool { got = append(got, s); return true })
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

func TestParseStat(t *testing.T) {
	const rest = " S 17 42 43 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 1 0 98765 1000000 250 18446744073709551615"
	for _, name := range []string{"server", "a b", "a) S 1 1 (b", ")", "((", ""} {
		got, err := ParseStat([]byte("42 (" + name + ")" + rest))
		want := Status{ID: ID{42, 98765}, Parent: 17, Session: 43, RSS: 250 * int64(os.Getpagesize())}
		if err != nil || got != want {
			t.Errorf("%q: got %+v, %v, want %+v", name, got, err, want)
		}
	}
	if got, err := ParseStat([]byte("42 (x)" + strings.Replace(rest, "S", "Z", 1))); err != nil || !got.Zombie {
		t.Errorf("zombie: got %+v, %v", got, err)
	}
	for _, bad := range []string{"", "42", "42 (x", "x (y)" + rest, ") (", "42 (x) S 1 2", strings.Replace("42 (x)"+rest, "98765", "-1", 1)} {
		if got, err := ParseStat([]byte(bad)); err == nil {
			t.Errorf("%q: got %+v, want an error", bad, got)
		}
	}
}

func TestParseSocketLink(t *testing.T) {
	if got, ok := ParseSocketLink("socket:[123]"); !ok || got != 123 {
		t.Errorf("got %d, %v, want 123", got, ok)
	}
	for _, bad := range []string{"", "socket:[", "socket:[]", "socket:[x]", "pipe:[1]", "socket:[1", "/tmp/socket:[1]"} {
		if _, ok := ParseSocketLink(bad); ok {
			t.Errorf("%q was taken for a socket", bad)
		}
	}
}

// The real thing: this process listens, and is found.
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
