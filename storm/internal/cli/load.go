package cli

import "example.com/restart/storm/load"

// loadFlags defines the flags for the size of each class.
func loadFlags(f *flags, l *load.Sizes) {
	f.group("Load (README.md describes the classes; 0 turns one off)")
	f.int(&l.Busy, "busy", "connections that send a GET soon after each answer")
	f.int(&l.Think, "think", "connections that send a POST after a random pause")
	f.int(&l.Idle, "idle", "connections that wait for seconds between two GETs")
	f.int(&l.Fresh, "fresh", "GETs per second, each on a new connection")
	f.int(&l.Slow, "slow", "connections with a slow request in flight")
	f.int(&l.Download, "download", "connections that download slowly")
	f.int(&l.Pipeline, "pipeline", "connections with two pipelined GETs, the second one in two parts")
	f.int(&l.TLS, "tls", "connections over TLS")
	f.int(&l.HTTP2, "h2", "HTTP/2 connections")
	f.int(&l.WS, "ws", "WebSockets with one message each second")
	f.int(&l.WSMove, "wsmove", "WebSockets that must stay open, with several messages in flight")
	f.duration(&l.BusyPause, "busy-pause", "pause of a busy connection")
	f.duration(&l.ThinkMin, "think-min", "shortest pause of think, pipeline, tls, h2 and wsmove")
	f.duration(&l.ThinkMax, "think-max", "longest pause of think, pipeline, tls, h2 and wsmove")
	f.duration(&l.IdleFor, "idle-for", "pause of an idle connection, give or take a half")
	f.duration(&l.SlowFor, "slow-for", "how long a slow request takes")
	f.int64(&l.DownloadSize, "download-size", "bytes of a download")
	f.int64(&l.DownloadRate, "download-rate", "bytes per second of a download")
}
