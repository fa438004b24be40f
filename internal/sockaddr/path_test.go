//go:build linux

package sockaddr

import (
	"net"
	"os"
	"path/filepath"
	"testing"
)

func TestUnixPathIsUnlinkedOnlyIfOurs(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.sock")
	ln, ours, err := Listen(t.Context(), net.ListenConfig{}, "unix", path)
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	// Somebody else takes the path. Our socket still has its inode, so that
	// the other one gets another number.
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	other, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	if err := ours.Unlink(); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Lstat(path); err != nil {
		t.Errorf("got %v: the path of another socket was removed", err)
	}
	if err := PathOf(path).Unlink(); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Lstat(path); err == nil {
		t.Error("the path is still there")
	}
	if err := ours.Unlink(); err != nil {
		t.Errorf("got %v for a path that is gone, want nil", err)
	}
	if err := PathOf("@abstract").Unlink(); err != nil {
		t.Error(err)
	}
}

// Once our socket is closed, another one at its path may get its inode number.
func TestUnlinkSparesAnotherSocketWithOurInode(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.sock")
	ln, ours, err := Listen(t.Context(), net.ListenConfig{}, "unix", path)
	if err != nil {
		t.Fatal(err)
	}
	ln.Close()
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	other, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	theirs := PathOf(path)
	ours.Dev, ours.Ino = theirs.Dev, theirs.Ino // which not every file system does
	if err := ours.Unlink(); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Lstat(path); err != nil {
		t.Errorf("got %v: the path of another socket was removed", err)
	}
}

// A forged manifest must not make a process remove any file but a socket.
func TestUnlinkRemovesOnlySockets(t *testing.T) {
	path := filepath.Join(t.TempDir(), "precious")
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := PathOf(path).Unlink(); err != nil {
		t.Error(err)
	}
	if _, err := os.Lstat(path); err != nil {
		t.Errorf("got %v, want the file untouched", err)
	}
}

func TestStaleUnixPathIsReplacedOnlyIfNobodyAnswers(t *testing.T) {
	for _, network := range []string{"unix", "unixgram"} {
		t.Run(network, func(t *testing.T) {
			bind := func(path string) (interface{ Close() error }, error) {
				if network == "unixgram" {
					c, _, err := ListenPacket(t.Context(), net.ListenConfig{}, network, path)
					return c, err
				}
				ln, _, err := Listen(t.Context(), net.ListenConfig{}, network, path)
				return ln, err
			}
			path := filepath.Join(t.TempDir(), "x.sock")
			first, err := bind(path)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := bind(path); err == nil {
				t.Error("got a second socket at the path of one that is alive")
			}
			first.Close() // leaves the path
			if _, err := os.Lstat(path); err != nil {
				t.Fatalf("closing removed the path: %v", err)
			}
			second, err := bind(path)
			if err != nil {
				t.Fatalf("the path of a dead socket: %v", err)
			}
			second.Close()

			file := filepath.Join(t.TempDir(), "file")
			if err := os.WriteFile(file, []byte("mine"), 0o600); err != nil {
				t.Fatal(err)
			}
			if _, err := bind(file); err == nil {
				t.Error("got a socket in place of a file")
			}
			if b, err := os.ReadFile(file); string(b) != "mine" {
				t.Errorf("got %q, %v: the file was touched", b, err)
			}
		})
	}
}
