package clients

import (
	"context"
	"sync"
	"time"

	"example.com/restart/storm/internal/rawhttp"
)

// mostInFlight bounds the requests of fresh that are under way. If the server stalls until that bound is reached, the next
// requests wait, and their latency still counts from the time they were due.
const mostInFlight = 2048

// bodyKept is how many bytes of a body are kept: enough to say which process sent it.
const bodyKept = 4096

// runFresh sends requests at a fixed rate, each on a connection of its own. Their times are set in advance. A slow answer
// does not delay the next request, and a delay of storm's own counts as latency (no coordinated omission).
func runFresh(e *env, class *Class) {
	var wg sync.WaitGroup
	defer wg.Wait()
	slots := make(chan struct{}, mostInFlight)
	interval := time.Second / time.Duration(e.sizes.Fresh)
	addr, _ := e.baseAddr()
	req := get(e.host(addr), e.path(), "Connection: close")
	timer := time.NewTimer(0)
	defer timer.Stop()
	begin := time.Now()
	for i := range int64(1) << 40 {
		due := begin.Add(time.Duration(i) * interval)
		timer.Reset(time.Until(due))
		select {
		case <-timer.C:
		case <-e.stop.Done():
			return
		}
		slots <- struct{}{}
		wg.Go(func() {
			body, received, err := single(e, req)
			class.Counts.Record(due, time.Now(), received, err)
			if err == nil && e.Answered != nil {
				e.Answered(body)
			}
			<-slots
		})
	}
}

// single sends one request on a new connection, and returns the beginning of the answer's body.
func single(e *env, req []byte) (body []byte, received int64, err error) {
	addr, config := e.baseAddr()
	conn, err := rawhttp.Dial(context.Background(), addr, config, e.Timeout)
	if err != nil {
		return nil, 0, err
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(e.Timeout))
	resp, err := conn.RoundTrip(req, func(b []byte) error {
		body = append(body, b[:min(len(b), bodyKept-len(body))]...)
		return nil
	})
	if err == nil {
		err = judge(resp, nil)
	}
	return body, conn.Received(), err
}
