//go:build linux

package handshake

import (
	"encoding/json"
	"strconv"
	"strings"
	"testing"

	"example.com/restart/internal/transfer"
	"example.com/restart/internal/wire"
)

// Many names must not get around the bound of each.
func TestStatesAreBoundedInSum(t *testing.T) {
	m := Manifest{States: make(map[string][]byte)}
	pieces := make(map[string][]byte)
	name := 0
	add := func(size int) error {
		name++
		// The bytes are not looked at, so one name's are another's.
		payload, err := json.Marshal(wire.State{Name: strconv.Itoa(name), Data: make([]byte, size), Last: true})
		if err != nil {
			t.Fatal(err)
		}
		err = m.addState(wire.Frame{Type: wire.TypeState, Payload: payload}, pieces)
		clear(m.States) // the test needs less memory
		return err
	}
	for range transfer.MaxStates/transfer.MaxState - 1 {
		if err := add(transfer.MaxState); err != nil {
			t.Fatal(err)
		}
	}
	if err := add(transfer.MaxState); err == nil || !strings.Contains(err.Error(), "all services") {
		t.Errorf("got %v, want that all states are too large", err)
	}
}
