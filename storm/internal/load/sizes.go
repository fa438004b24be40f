// Package load is the load: classes of clients that run side by side.
package load

import (
	"errors"
	"time"
)

// Sizes say how much of each class there is. A class of size 0 is off.
type Sizes struct {
	Busy     int // keep-alive connections that GET again at once
	Think    int // keep-alive connections that POST after a time to think
	Idle     int // keep-alive connections that are idle for seconds
	Fresh    int // requests per second, each on a connection of its own
	Slow     int // keep-alive connections with a slow request in flight
	Download int // keep-alive connections that download slowly
	Pipeline int // keep-alive connections with two pipelined requests, the second one split
	TLS      int // TLS keep-alive connections
	HTTP2    int // HTTP/2 connections
	WS       int // WebSockets with a message each second

	BusyPause    time.Duration // between two requests of a busy connection
	ThinkMin     time.Duration
	ThinkMax     time.Duration
	IdleFor      time.Duration // give or take a half
	SlowFor      time.Duration // how long a slow request takes
	DownloadSize int64         // bytes
	DownloadRate int64         // bytes per second and connection
}

// Default is a mix that two cores serve with ease, so that latencies are the server's and not the queue's.
func Default() Sizes {
	return Sizes{
		Busy: 4, Think: 60, Idle: 100, Fresh: 100, Slow: 8, Download: 4, Pipeline: 16, TLS: 20, HTTP2: 6, WS: 10,
		BusyPause: 2 * time.Millisecond,
		ThinkMin:  5 * time.Millisecond, ThinkMax: 200 * time.Millisecond,
		IdleFor: 3 * time.Second, SlowFor: 2 * time.Second,
		DownloadSize: 8 << 20, DownloadRate: 4 << 20,
	}
}

// Check reports sizes that cannot be meant.
func (s Sizes) Check() error {
	for _, n := range []int{s.Busy, s.Think, s.Idle, s.Fresh, s.Slow, s.Download, s.Pipeline, s.TLS, s.HTTP2, s.WS} {
		if n < 0 || n > 100_000 {
			return errors.New("storm: the size of a class must be from 0 to 100000")
		}
	}
	switch {
	case s.BusyPause < 0 || s.ThinkMin < 0 || s.ThinkMax < s.ThinkMin || s.IdleFor < 0 || s.SlowFor < 0:
		return errors.New("storm: a pause is negative, or the longest think time is shorter than the shortest")
	case s.Download > 0 && (s.DownloadSize <= 0 || s.DownloadRate <= 0):
		return errors.New("storm: a download needs a size and a rate")
	}
	return nil
}
