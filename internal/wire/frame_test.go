package wire

import (
	"errors"
	"reflect"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

// every is one message of each type, with every field set.
var every = map[Type]any{
	TypeHello: &Hello{PID: 7, Generation: 3},
	TypeFiles: &Files{Files: []File{{
		Kind: KindListener, Name: "web", Network: "tcp", Address: ":80", Local: "[::]:80",
		Path: "/run/x", Dev: 1, Ino: 2, Made: 3, PID: 9, Generation: 1,
	}}},
	TypeState:     &State{Name: "web", Data: []byte{0, 255}, Last: true},
	TypeStart:     &Start{},
	TypeNote:      &Note{Text: "words"},
	TypeReady:     &Ready{PID: 8, Claimed: []string{"web"}, Adopts: []string{"web"}},
	TypeCommit:    &Commit{},
	TypeCommitted: &Committed{},
	TypeGo:        &Go{Again: true},
	TypeServing:   &Serving{},
	TypeFailed:    &Note{Text: "no"},
	TypeAbort:     &Abort{Reason: "late"},
	TypeConns:     &Conns{Batch: 1, Conns: []Conn{{Name: "web", State: []byte("s")}}},
	TypeAdopted:   &Adopted{Batch: 1, Refused: []int{0}, Reason: "full"},
	TypeSource:    &Source{Names: map[string]string{"a": "b"}},
	TypeClaims:    &Claims{Claimed: []string{"web"}, Adopts: []string{"web"}, Kinds: map[string][]string{"web": {"tls"}}},
	TypeLastState: &LastState{Name: "web", Size: 9},
	TypeProgress:  &Progress{Generation: 3, Connections: 9},
	TypeHammer:    &Hammer{},
	TypeGiveBack:  &GiveBack{Reason: "too slow"},
	TypeConfirm:   &Confirm{},
	TypeConfirmed: &Confirmed{},
	TypeReceiving: &Receiving{Over: true},
}

func TestRoundTrip(t *testing.T) {
	if got, want := len(every), len(typeNames); got != want {
		t.Fatalf("got %d messages in the table, want one for each of %d types", got, want)
	}
	for typ, msg := range every {
		b, err := Append(nil, typ, msg)
		if err != nil {
			t.Fatalf("%v: %v", typ, err)
		}
		f, err := Parse(b)
		if err != nil {
			t.Fatalf("%v: %v", typ, err)
		}
		got := reflect.New(reflect.TypeOf(msg).Elem()).Interface()
		if err := f.Decode(got); err != nil {
			t.Fatalf("%v: %v", typ, err)
		}
		if f.Type != typ || !f.Type.Known() {
			t.Errorf("got type %v, want %v", f.Type, typ)
		}
		if d := cmp.Diff(msg, got); d != "" {
			t.Errorf("%v (-want +got):\n%s", typ, d)
		}
	}
}

func TestParseRefuses(t *testing.T) {
	good, err := Append(nil, TypeStart, Start{})
	if err != nil {
		t.Fatal(err)
	}
	change := func(f func(b []byte) []byte) []byte { return f(append([]byte(nil), good...)) }
	for name, tt := range map[string]struct {
		in   []byte
		want error
	}{
		"empty":         {nil, ErrTruncated},
		"header only":   {good[:HeaderSize], ErrTruncated},
		"cut":           {good[:len(good)-1], ErrTruncated},
		"trailing":      {append(append([]byte(nil), good...), 0), ErrTruncated},
		"magic":         {change(func(b []byte) []byte { b[0] = 'X'; return b }), ErrMagic},
		"newer major":   {change(func(b []byte) []byte { b[5]++; return b }), ErrVersion},
		"length of 4G":  {change(func(b []byte) []byte { copy(b[8:], "\xff\xff\xff\xff"); return b }), ErrTruncated},
		"beyond bounds": {make([]byte, MaxFrame+1), ErrTooLarge},
	} {
		if _, err := Parse(tt.in); !errors.Is(err, tt.want) {
			t.Errorf("%s: got %v, want %v", name, err, tt.want)
		}
	}
}

// On a stream the header alone says where the next frame begins.
func TestSize(t *testing.T) {
	good, err := Append(nil, TypeNote, Note{Text: "words"})
	if err != nil {
		t.Fatal(err)
	}
	if got, err := Size(good[:HeaderSize]); got != len(good) || err != nil {
		t.Errorf("got %d, %v; want %d", got, err, len(good))
	}
	for header, want := range map[string]error{
		"RSTT\x00\x01\x00\x05\x00\x00\x00":     ErrTruncated,
		"XSTT\x00\x01\x00\x05\x00\x00\x00\x05": ErrMagic,
		"RSTT\x00\x02\x00\x05\x00\x00\x00\x05": ErrVersion,
		"RSTT\x00\x01\x00\x05\x00\x00\xff\xf5": ErrTooLarge,
	} {
		if _, err := Size([]byte(header)); !errors.Is(err, want) {
			t.Errorf("%q: got %v, want %v", header, err, want)
		}
	}
	if got, err := Size([]byte("RSTT\x00\x01\x00\x05\x00\x00\xff\xf4")); got != MaxFrame || err != nil {
		t.Errorf("got %d, %v; want %d", got, err, MaxFrame)
	}
}

func TestAppendRefusesTooLarge(t *testing.T) {
	b := []byte("before")
	got, err := Append(b, TypeNote, Note{Text: strings.Repeat("x", MaxFrame)})
	if !errors.Is(err, ErrTooLarge) || string(got) != "before" {
		t.Errorf("got %q, %v; want the bytes untouched and ErrTooLarge", got, err)
	}
}

// A newer generation may say more than we know.
func TestUnknownIsIgnored(t *testing.T) {
	b, err := Append(nil, Type(999), map[string]any{"x": 1})
	if err != nil {
		t.Fatal(err)
	}
	f, err := Parse(b)
	if err != nil || f.Type.Known() {
		t.Errorf("got %v, %v; want an unknown type and no error", f.Type, err)
	}
	var h Hello
	f = Frame{Type: TypeHello, Payload: []byte(`{"pid":1,"generation":2,"colour":"red"}`)}
	if err := f.Decode(&h); err != nil || h.Generation != 2 {
		t.Errorf("got %+v, %v; want the unknown field ignored", h, err)
	}
}

func TestDecodeChecks(t *testing.T) {
	for _, tt := range []struct {
		f Frame
		v any
	}{
		{Frame{TypeHello, []byte(`{"pid":0,"generation":1}`)}, &Hello{}},
		{Frame{TypeHello, []byte(`{"pid":1,"generation":-1}`)}, &Hello{}},
		{Frame{TypeHello, []byte(`{"pid":"x"}`)}, &Hello{}},
		{Frame{TypeReady, []byte(`{"pid":0}`)}, &Ready{}},
		{Frame{TypeFiles, []byte(`{"files":[` + strings.Repeat(`{},`, MaxFiles) + `{}]}`)}, &Files{}},
		{Frame{TypeConns, []byte(`{"conns":[` + strings.Repeat(`{},`, MaxFiles) + `{}]}`)}, &Conns{}},
	} {
		if err := tt.f.Decode(tt.v); err == nil {
			t.Errorf("%v %.40s: got no error", tt.f.Type, tt.f.Payload)
		}
	}
}

func FuzzParse(f *testing.F) {
	for typ, msg := range every {
		b, err := Append(nil, typ, msg)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		fr, err := Parse(b)
		if err != nil {
			return
		}
		if len(fr.Payload) > MaxFrame {
			t.Fatalf("payload of %d bytes", len(fr.Payload))
		}
		proto, ok := every[fr.Type]
		if !ok {
			return
		}
		v := reflect.New(reflect.TypeOf(proto).Elem()).Interface()
		if fr.Decode(v) != nil {
			return
		}
		// What was understood can be said again and means the same.
		again, err := Append(nil, fr.Type, v)
		if errors.Is(err, ErrTooLarge) {
			return // escapes may lengthen it
		}
		if err != nil {
			t.Fatal(err)
		}
		fr2, err := Parse(again)
		if err != nil {
			t.Fatal(err)
		}
		v2 := reflect.New(reflect.TypeOf(proto).Elem()).Interface()
		if err := fr2.Decode(v2); err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(v, v2, cmpopts.EquateEmpty()); d != "" {
			t.Fatal(d)
		}
	})
}
