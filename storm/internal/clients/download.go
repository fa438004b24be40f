package clients

import (
	"bytes"
	"fmt"
	"time"

	"example.com/restart/storm/endpoints"
	"example.com/restart/storm/internal/tally"
)

// throttled reads a download at a fixed rate and compares each byte.
type throttled struct {
	size, rate int64

	got     int64
	begin   time.Time // when the first byte came
	differs int64     // offset of the first piece with a difference, -1 if there is none
	sleep   func(time.Duration)
}

func (d *throttled) reset() { d.got, d.begin, d.differs = 0, time.Time{}, -1 }

func (d *throttled) sink(b []byte) error {
	if d.begin.IsZero() {
		d.begin = time.Now()
	}
	if d.differs < 0 && !bytes.Equal(b, endpoints.Pattern(d.got, len(b))) {
		d.differs = d.got
	}
	d.got += int64(len(b))
	due := time.Duration(float64(d.got) / float64(d.rate) * float64(time.Second))
	// Shorter sleeps would cost more than they slow down.
	if ahead := due - time.Since(d.begin); ahead > 5*time.Millisecond {
		d.sleep(ahead)
	}
	return nil
}

func (d *throttled) check() error {
	switch {
	case d.differs >= 0:
		return fmt.Errorf("%w: content differs after byte %d", tally.ErrWrong, d.differs)
	case d.got != d.size:
		return fmt.Errorf("%w: got %d bytes, want %d", tally.ErrWrong, d.got, d.size)
	}
	return nil
}

func (d *throttled) request(host string) []byte {
	return get(host, fmt.Sprintf("/download?n=%d", d.size))
}

// smallBuffer leaves the rest of a download in flight. A large buffer would take it whole into the client's kernel.
const smallBuffer = 64 << 10

func runDownload(e *env, class *Class, i int) {
	c := newClient(e, class, i)
	c.buffer = smallBuffer
	// A download in flight goes on at its rate when the load stops.
	d := &throttled{size: e.sizes.DownloadSize, rate: e.sizes.DownloadRate, sleep: time.Sleep}
	req := d.request(c.addr)
	takes := time.Duration(float64(d.size) / float64(d.rate) * float64(time.Second))
	c.loop(min(takes, 2*time.Second), func() {
		d.reset()
		start := time.Now()
		if err := c.ready(); err != nil {
			c.lost(start, 0, err)
			return
		}
		_ = c.conn.SetDeadline(start.Add(c.Timeout + takes))
		resp, err := c.conn.RoundTrip(req, d.sink)
		if err == nil {
			err = judge(resp, d.check)
		}
		if err != nil {
			c.lost(start, c.conn.Received(), err)
			return
		}
		// The latency of a download is the wait for its first byte. The rest is as slow as the client chose.
		c.counts.RecordLatency(start, time.Now(), d.begin.Sub(start), c.conn.Received(), nil)
		c.closeAnnounced()
	}, func() time.Duration { return c.between(0, 100*time.Millisecond) })
}
