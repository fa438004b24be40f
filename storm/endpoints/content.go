package endpoints

import (
	"errors"
	"fmt"
	"os"
	"sync"
)

// content is a file with the pattern, made when it is first asked for. It is a file, not memory, so that a server can use
// sendfile(2).
type content struct {
	mu   sync.Mutex
	path string
	size int64
}

// open returns a file of at least n bytes, which the caller closes. Each caller opens the file anew, because the offset
// belongs to an open file.
func (c *content) open(n int64) (*os.File, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.path == "" || c.size < n {
		if err := c.make(n); err != nil {
			return nil, err
		}
	}
	return os.Open(c.path)
}

// make writes a file under a name that all servers share, because a server that is killed could not remove a file of its
// own. The file is renamed when it is complete, so nobody reads half of it.
func (c *content) make(n int64) error {
	size := int64(1 << 20)
	for size < n {
		size *= 2
	}
	path := fmt.Sprintf("%s/storm-pattern-%d-%d", os.TempDir(), os.Getuid(), size)
	if st, err := os.Lstat(path); err == nil && st.Mode().IsRegular() && st.Size() == size {
		c.path, c.size = path, size
		return nil
	}
	f, err := os.CreateTemp("", "storm-pattern-*")
	if err != nil {
		return err
	}
	var werr error
	for at := int64(0); at < size && werr == nil; at += longest {
		_, werr = f.Write(Pattern(at, int(min(longest, size-at))))
	}
	if err := errors.Join(werr, f.Close()); err != nil {
		_ = os.Remove(f.Name())
		return err
	}
	if err := os.Rename(f.Name(), path); err != nil {
		_ = os.Remove(f.Name())
		return err
	}
	c.path, c.size = path, size
	return nil
}
