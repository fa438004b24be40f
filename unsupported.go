//go:build !linux

package restart

import "os"

const canReplace = false

func spawner(parentage) func(Command, *os.File, *tail, greeting) (process, error) {
	return func(Command, *os.File, *tail, greeting) (process, error) { return nil, ErrUnsupported }
}

func dupOver(*os.File, int) error { return ErrUnsupported }
