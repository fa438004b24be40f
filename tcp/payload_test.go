package tcp

import (
	"bytes"
	"testing"
)

func FuzzPayload(f *testing.F) {
	for _, p := range []payload{{}, {unread: []byte("a")}, {state: []byte("b")}, {make([]byte, 200), []byte("b")}} {
		f.Add(p.append(nil))
	}
	f.Add([]byte{payloadVersion, 0xff})
	f.Fuzz(func(t *testing.T, b []byte) {
		p, err := parse(b)
		if err != nil {
			return
		}
		again, err := parse(p.append(nil))
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(again.unread, p.unread) || !bytes.Equal(again.state, p.state) || again.state == nil {
			t.Errorf("got %+v, want %+v", again, p)
		}
	})
}
