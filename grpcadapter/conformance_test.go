package grpcadapter_test

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"testing"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
	pb "google.golang.org/grpc/interop/grpc_testing"
	"google.golang.org/protobuf/proto"

	"example.com/restart"
	"example.com/restart/grpcadapter"
	"example.com/restart/servicetest"
)

func TestConforms(t *testing.T) {
	servicetest.Run(t, func() restart.Service {
		srv, a := grpcadapter.NewServer()
		pb.RegisterTestServiceServer(srv, &service{})
		return a
	}, call)
}

// call does one call by hand. grpc-go's client would not do: it sends a call
// only when it has heard from the server, and begins anew on its own when a
// connection ends.
func call(c net.Conn) error {
	request, err := proto.Marshal(&pb.SimpleRequest{Payload: &pb.Payload{Body: []byte("hello")}})
	if err != nil {
		return err
	}
	var headers, out bytes.Buffer
	enc := hpack.NewEncoder(&headers)
	for _, f := range [][2]string{
		{":method", "POST"},
		{":scheme", "http"},
		{":path", pb.TestService_UnaryCall_FullMethodName},
		{":authority", "test"},
		{"te", "trailers"},
		{"content-type", "application/grpc"},
	} {
		enc.WriteField(hpack.HeaderField{Name: f[0], Value: f[1]}) // a Buffer takes all
	}
	out.WriteString(http2.ClientPreface)
	fr := http2.NewFramer(&out, c)
	message := append(binary.BigEndian.AppendUint32([]byte{0}, uint32(len(request))), request...)
	for _, err := range []error{
		fr.WriteSettings(),
		fr.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: headers.Bytes(), EndHeaders: true}),
		fr.WriteData(1, true, message),
	} {
		if err != nil {
			return err
		}
	}
	if _, err := out.WriteTo(c); err != nil {
		return err
	}
	return answer(http2.NewFramer(io.Discard, c))
}

// answer reads until the call's stream has ended.
func answer(fr *http2.Framer) error {
	var data []byte
	fr.ReadMetaHeaders = hpack.NewDecoder(4096, nil)
	for {
		f, err := fr.ReadFrame()
		if err != nil {
			return err
		}
		switch f := f.(type) {
		case *http2.DataFrame:
			data = append(data, f.Data()...)
		case *http2.RSTStreamFrame:
			return fmt.Errorf("reset: %v", f.ErrCode)
		case *http2.MetaHeadersFrame:
			if !f.StreamEnded() {
				continue
			}
			for _, h := range f.Fields {
				if h.Name == "grpc-status" && h.Value != "0" {
					return fmt.Errorf("status %s", h.Value)
				}
			}
			var r pb.SimpleResponse
			if err := proto.Unmarshal(data[min(5, len(data)):], &r); err != nil || string(r.GetPayload().GetBody()) != "hello" {
				return fmt.Errorf("got %q, %v", data, err)
			}
			return nil
		}
	}
}
