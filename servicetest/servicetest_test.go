package servicetest

import (
	"testing"

	"example.com/restart"
)

func TestGood(t *testing.T) {
	Run(t, func() restart.Service { return newEcho() }, probe)
}
