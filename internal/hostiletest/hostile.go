//go:build linux

// Package hostiletest plays a peer on a channel that sends whatever it likes, for
// tests and fuzzing: no frame may make a process crash, hang or leak a descriptor.
package hostiletest

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"os"
	"testing"

	"golang.org/x/sys/unix"

	"example.com/restart/internal/fdutil"
	"example.com/restart/internal/wire"
)

// A Packet is what a peer sends at once.
type Packet struct {
	Type  wire.Type // 0: Bytes are the whole packet, else the payload of a frame
	Files int       // how many descriptors come along: a pipe, a connection and a channel in turn
	Bytes []byte
}

// Frame returns the packet of a message. Those of package wire can always be encoded;
// a test with another is wrong.
func Frame(t wire.Type, v any, files int) Packet {
	b, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return Packet{t, files, b}
}

// Script encodes packets for a fuzzer to change.
func Script(packets ...Packet) []byte {
	var b []byte
	for _, p := range packets {
		b = append(b, byte(p.Type), byte(p.Files))
		b = binary.BigEndian.AppendUint16(b, uint16(len(p.Bytes)))
		b = append(b, p.Bytes...)
	}
	return b
}

// maxFiles bounds the descriptors of a packet.
const maxFiles = 8

// packets decodes a script. Anything is one.
func packets(script []byte) (all []Packet) {
	for len(script) >= 4 {
		p := Packet{Type: wire.Type(script[0]), Files: int(script[1]) % (maxFiles + 1)}
		n := min(int(binary.BigEndian.Uint16(script[2:])), len(script)-4)
		p.Bytes, script = script[4:4+n], script[4+n:]
		all = append(all, p)
	}
	return all
}

// Play sends the packets of a script on a channel's end, which it borrows, as far
// as they find room.
func Play(t testing.TB, end *os.File, script []byte) {
	t.Helper()
	files := open(t)
	defer func() {
		for _, fd := range files {
			unix.Close(fd)
		}
	}()
	for _, p := range packets(script) {
		fds := make([]int, p.Files)
		for i := range fds {
			fds[i] = files[i%len(files)]
		}
		_ = fdutil.Control(end, func(fd int) error {
			// It may be full or closed: whoever reads decides that.
			return unix.Sendmsg(fd, p.encode(), unix.UnixRights(fds...), nil, unix.MSG_DONTWAIT|unix.MSG_NOSIGNAL)
		})
	}
}

// open opens one end of a pipe, of a connection and of a channel.
func open(t testing.TB) (files []int) {
	t.Helper()
	var pipe [2]int
	err := unix.Pipe2(pipe[:], unix.O_CLOEXEC)
	pairs := [][2]int{pipe}
	for _, kind := range []int{unix.SOCK_STREAM, unix.SOCK_SEQPACKET} {
		pair, pairErr := unix.Socketpair(unix.AF_UNIX, kind|unix.SOCK_CLOEXEC, 0)
		err = errors.Join(err, pairErr)
		pairs = append(pairs, pair)
	}
	if err != nil {
		t.Fatal(err)
	}
	for _, pair := range pairs {
		files = append(files, pair[0])
		unix.Close(pair[1])
	}
	return files
}

func (p Packet) encode() []byte {
	if p.Type == 0 {
		return p.Bytes
	}
	b := []byte{'R', 'S', 'T', 'T', 0, wire.Version, 0, byte(p.Type)}
	b = binary.BigEndian.AppendUint32(b, uint32(len(p.Bytes)))
	return append(b, p.Bytes...)
}

// OpenFiles returns how many descriptors this process has open.
func OpenFiles(t testing.TB) int {
	t.Helper()
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(entries)
}
