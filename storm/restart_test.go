package storm

import (
	"testing"
	"time"
)

func TestTurn(t *testing.T) {
	now := newTurn(0)
	for range 2 {
		if !now.due() {
			t.Error("without a pause it is always time")
		}
	}
	if later := newTurn(time.Hour); later.due() {
		t.Error("an hour is over at once")
	}
}
