//go:build linux

package main

import (
	"testing"

	"example.com/restart/examples/internal/exampletest"
)

func TestReadme(t *testing.T) { exampletest.Readme(t) }

func TestNothingIsLost(t *testing.T) { exampletest.LosesNothing(t) }
