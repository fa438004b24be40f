package restarthttp_test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"testing"
	"time"

	"example.com/restart"
	restarthttp "example.com/restart/http"
	"example.com/restart/servicetest"
)

func TestConforms(t *testing.T) {
	servicetest.Run(t, func() restart.Service {
		s := restarthttp.Wrap(&http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			io.Copy(w, r.Body)
		})})
		s.Linger = 300 * time.Millisecond // for the requests that come after Shutdown has begun
		return s
	}, func(c net.Conn) error {
		if _, err := io.WriteString(c, "POST / HTTP/1.1\r\nHost: test\r\nContent-Length: 5\r\n\r\nhello"); err != nil {
			return err
		}
		resp, err := http.ReadResponse(bufio.NewReader(c), nil)
		if err != nil {
			return err
		}
		defer resp.Body.Close()
		if b, err := io.ReadAll(resp.Body); string(b) != "hello" {
			return fmt.Errorf("got %q, %v", b, err)
		}
		return nil
	})
}
