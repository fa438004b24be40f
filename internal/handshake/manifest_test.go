//go:build linux

package handshake

import (
	"encoding/json"
	"strings"
	"testing"

	"example.com/restart/internal/transfer"
	"example.com/restart/internal/wire"
)

// Many names must not get around the bound of each: their bytes, and those of the
// names, count together.
func TestStatesAreBoundedInSum(t *testing.T) {
	pieces := make(map[string][]byte)
	data := make([]byte, 1000)
	// As after many states. What is left has room for three more.
	size := len("a") + len(data)
	m := Manifest{States: make(map[string][]byte), stateSize: transfer.MaxStates - 3*size}
	add := func(name string) error {
		payload, err := json.Marshal(wire.State{Name: name, Data: data, Last: true})
		if err != nil {
			t.Fatal(err)
		}
		return m.addState(wire.Frame{Type: wire.TypeState, Payload: payload}, pieces)
	}
	for _, name := range []string{"a", "b", "c"} {
		if err := add(name); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
	}
	data = nil // a name alone is too much
	if err := add("d"); err == nil || !strings.Contains(err.Error(), "all services") {
		t.Errorf("got %v, want that all states are too large", err)
	}
}
