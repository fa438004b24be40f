package load

import (
	"context"
	"sync"
	"time"

	"example.com/restart/storm/internal/rawhttp"
)

// inFlight bounds the requests of the fixed-rate class that are under way. When the server stalls for so long that it is
// reached, the next ones wait, and their latency still counts from the time they were intended for.
const inFlight = 2048

// bodyKept is how much of a body may tell who sent it.
const bodyKept = 4096

// runFresh sends requests at a fixed rate, each on a connection of its own. Their times are set in advance: that the
// server is slow does not delay the next one, and a delay of ours counts as latency (no coordinated omission).
func runFresh(e *env, class *Class) {
	var wg sync.WaitGroup
	defer wg.Wait()
	slots := make(chan struct{}, inFlight)
	interval := time.Second / time.Duration(e.sizes.Fresh)
	req := get(e.plain, "/", "Connection: close")
	timer := time.NewTimer(0)
	defer timer.Stop()
	begin := time.Now()
	for i := range int64(1) << 40 {
		intended := begin.Add(time.Duration(i) * interval)
		timer.Reset(time.Until(intended))
		select {
		case <-timer.C:
		case <-e.stop.Done():
			return
		}
		slots <- struct{}{}
		wg.Go(func() {
			body, received, err := single(e, e.plain, req)
			class.Books.Record(intended, time.Now(), received, err)
			if err == nil {
				e.answered(body)
			}
			<-slots
		})
	}
}

// single sends one request on a new connection, and returns the beginning of the answer's body.
func single(e *env, addr string, req []byte) (body []byte, received int64, err error) {
	conn, err := rawhttp.Dial(context.Background(), addr, nil, e.timeout)
	if err != nil {
		return nil, 0, err
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(e.timeout))
	werr := conn.Write(req)
	resp, err := conn.ReadResponse(func(b []byte) error {
		body = append(body, b[:min(len(b), bodyKept-len(body))]...)
		return nil
	})
	switch {
	case err == nil:
		err = judge(resp, nil)
	case werr != nil:
		err = werr
	}
	return body, conn.Received(), err
}
