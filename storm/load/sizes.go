// Package load says how much load storm puts on a server.
package load

import (
	"errors"
	"time"
)

// Sizes says how much there is of each class of load. README.md of this module describes the classes. A class of size 0
// is off. Zero values have no other meaning: begin with [Default].
type Sizes struct {
	Busy     int // keep-alive connections that send a GET soon after each answer
	Think    int // keep-alive connections that send a POST after a random pause
	Idle     int // keep-alive connections that wait for seconds between two GETs
	Fresh    int // GETs per second, each on a connection of its own
	Slow     int // keep-alive connections with a slow request in flight
	Download int // keep-alive connections that download slowly
	Pipeline int // keep-alive connections with two pipelined GETs, the second one sent in two parts
	TLS      int // keep-alive connections over TLS
	HTTP2    int // HTTP/2 connections
	WS       int // WebSockets with one message each second
	WSMove   int // WebSockets that must stay open, with several messages in flight

	BusyPause    time.Duration // between an answer and the next request of a busy connection
	ThinkMin     time.Duration // shortest pause of think, pipeline, tls, h2 and wsmove
	ThinkMax     time.Duration // longest pause of think, pipeline, tls, h2 and wsmove
	IdleFor      time.Duration // mean pause of an idle connection; each pause is between half of it and one and a half times
	SlowFor      time.Duration // how long the server is asked to wait before it answers a slow request
	DownloadSize int64         // bytes of one download
	DownloadRate int64         // bytes per second on each connection that downloads
}

// Default returns a mix that two cores serve with ease, so that a latency is the server's and not that of a queue.
func Default() Sizes {
	return Sizes{
		Busy: 4, Think: 60, Idle: 100, Fresh: 100, Slow: 8, Download: 4, Pipeline: 16, TLS: 20, HTTP2: 6, WS: 10, WSMove: 10,
		BusyPause: 2 * time.Millisecond,
		ThinkMin:  5 * time.Millisecond, ThinkMax: 200 * time.Millisecond,
		IdleFor: 3 * time.Second, SlowFor: 2 * time.Second,
		DownloadSize: 8 << 20, DownloadRate: 4 << 20,
	}
}

// Check returns an error for sizes that make no sense.
func (s Sizes) Check() error {
	for _, n := range []int{s.Busy, s.Think, s.Idle, s.Fresh, s.Slow, s.Download, s.Pipeline, s.TLS, s.HTTP2, s.WS, s.WSMove} {
		if n < 0 || n > 100_000 {
			return errors.New("storm: the size of a class must be between 0 and 100000")
		}
	}
	switch {
	case s.BusyPause < 0 || s.ThinkMin < 0 || s.IdleFor < 0 || s.SlowFor < 0:
		return errors.New("storm: a pause of the load is negative")
	case s.ThinkMax < s.ThinkMin:
		return errors.New("storm: the longest think time is shorter than the shortest")
	case s.Download > 0 && (s.DownloadSize <= 0 || s.DownloadRate <= 0):
		return errors.New("storm: a download needs a size and a rate")
	}
	return nil
}
