package clients

import (
	"context"
	"crypto/tls"
	"net/url"
	"time"

	"example.com/restart/storm/load"
)

// Target says where the load goes.
type Target struct {
	Plain, TLS string // host:port of plain HTTP and of TLS; empty if there is none
	// URL, if not nil, is all that the clients ask for, by GET. Else the server has the endpoints that README.md lists.
	URL     *url.URL
	Stay    []string      // classes whose connections must not end
	Timeout time.Duration // of one request, beyond the time that it was asked to take
	// Answered gets the body of each answer on a new connection. Any goroutine may call it.
	Answered func(body []byte)
}

// env is shared by all clients.
type env struct {
	Target
	sizes load.Sizes
	// stop is done when no new request may begin. Requests in flight end by themselves.
	stop context.Context
}

// baseAddr returns the address of the classes that do not ask for TLS themselves, and the TLS configuration for it: nil for
// plain HTTP.
func (e *env) baseAddr() (addr string, config *tls.Config) {
	if e.URL != nil && e.URL.Scheme == "https" {
		return e.TLS, e.tlsConfig("http/1.1")
	}
	return e.Plain, nil
}

// host returns the Host header of a request to an address.
func (e *env) host(addr string) string {
	if e.URL != nil {
		return e.URL.Host
	}
	return addr
}

// path returns the path and query of the GETs.
func (e *env) path() string {
	if e.URL != nil {
		return e.URL.RequestURI()
	}
	return "/"
}

// tlsConfig trusts every certificate: storm counts losses, and servers under test often sign for themselves.
func (e *env) tlsConfig(protocols ...string) *tls.Config {
	c := &tls.Config{InsecureSkipVerify: true, NextProtos: protocols}
	if e.URL != nil {
		c.ServerName = e.URL.Hostname()
	}
	return c
}
