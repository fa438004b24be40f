package sockaddr

import (
	"io/fs"
	"os"
	"path/filepath"

	"example.com/restart/internal/fdutil"
)

// A Path is the file that a Unix socket is bound to. Dev, Ino and Made tell it from
// another one at the same place: only the socket's own file is ever removed. The
// number Ino may be that of another file once the socket is closed. The zero Path
// is that of a socket without one.
type Path struct {
	Name     string // absolute
	Dev, Ino uint64
	Made     int64 // when, in nanoseconds since 1970; 0: not known
}

// PathOf returns the Path of the socket that has just been bound to address. An
// abstract address (unix(7)) has none.
func PathOf(address string) Path {
	if address == "" || address[0] == '@' {
		return Path{}
	}
	p := Path{Name: absolute(address)}
	if fi, err := os.Lstat(p.Name); err == nil {
		p.Dev, p.Ino = fdutil.FileID(fi)
		p.Made = fi.ModTime().UnixNano()
	}
	return p
}

// Exists reports whether the file is still there and still the socket's.
func (p Path) Exists() bool {
	if p.Name == "" {
		return false
	}
	fi, err := os.Lstat(p.Name)
	if err != nil || fi.Mode().Type() != fs.ModeSocket {
		return false
	}
	if dev, ino := fdutil.FileID(fi); dev != p.Dev || ino != p.Ino {
		return false
	}
	return p.Made == 0 || fi.ModTime().UnixNano() == p.Made
}

// Unlink removes the file if it is still the socket's.
func (p Path) Unlink() error {
	if !p.Exists() {
		return nil
	}
	return os.Remove(p.Name)
}

// absolute returns the file of a Unix socket from the root; an abstract address
// stays as it is.
func absolute(address string) string {
	if address == "" || address[0] == '@' {
		return address
	}
	if abs, err := filepath.Abs(address); err == nil {
		return abs
	}
	return address
}
