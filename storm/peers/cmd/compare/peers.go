package main

import (
	"context"
	"fmt"
	"os/exec"
	"syscall"
)

// peers are the servers compared, in the order of the table.
func peers(*place) []contestant {
	return []contestant{
		{name: "tableflip", signal: syscall.SIGHUP, prepare: library("tableflip")},
		{name: "endless", signal: syscall.SIGHUP, prepare: library("endless")},
		{name: "grace", signal: syscall.SIGUSR2, prepare: library("grace")},
		{name: "overseer", signal: syscall.SIGUSR2, prepare: library("overseer")},
		{name: "nginx", signal: syscall.SIGHUP, skip: missing("nginx"), prepare: nginx},
		{name: "haproxy", signal: syscall.SIGUSR2, skip: missing("haproxy"), prepare: haproxy("")},
		{
			name: "haproxy idle-close-on-response", signal: syscall.SIGUSR2, skip: missing("haproxy"),
			prepare: haproxy("\n  option idle-close-on-response"),
		},
	}
}

func missing(program string) string {
	if _, err := exec.LookPath(program); err != nil {
		return program + " is not installed"
	}
	return ""
}

// library is a test server of this module.
func library(name string) func(context.Context, *place) (string, func(), error) {
	return func(ctx context.Context, p *place) (string, func(), error) {
		path, err := p.build(ctx, module+name, name)
		return path + " -addr {addr}", func() {}, err
	}
}

func nginx(ctx context.Context, p *place) (string, func(), error) {
	backend, stop, err := p.backend(ctx)
	if err != nil {
		return "", nil, err
	}
	addr, err := freeAddr()
	if err != nil {
		stop()
		return "", nil, err
	}
	conf, err := p.write("nginx.conf", fmt.Sprintf(nginxConf, p.dir, backend, addr))
	if err != nil {
		stop()
		return "", nil, err
	}
	return fmt.Sprintf("nginx -p %s -c %s -e stderr", p.dir, conf), stop, nil
}

// One worker: with two, those of one generation accept in turn, and nothing else changes. keepalive_requests is out of
// the way, for a connection closed after 1000 requests was not closed by the restart.
const nginxConf = `daemon off;
pid %[1]s/nginx.pid;
worker_processes 1;
error_log stderr error;
events { worker_connections 4096; }
http {
  access_log off;
  keepalive_requests 100000000;
  client_body_temp_path %[1]s/body;
  proxy_temp_path %[1]s/proxy;
  fastcgi_temp_path %[1]s/fastcgi;
  uwsgi_temp_path %[1]s/uwsgi;
  scgi_temp_path %[1]s/scgi;
  proxy_max_temp_file_size 0;
  map $http_upgrade $connection_header { default upgrade; '' ''; }
  upstream backend { server %[2]s; keepalive 64; keepalive_requests 100000000; }
  server {
    listen %[3]s;
    location / {
      proxy_pass http://backend;
      proxy_http_version 1.1;
      proxy_set_header Host $host;
      proxy_set_header Upgrade $http_upgrade;
      proxy_set_header Connection $connection_header;
    }
  }
}
`

func haproxy(option string) func(context.Context, *place) (string, func(), error) {
	return func(ctx context.Context, p *place) (string, func(), error) {
		backend, stop, err := p.backend(ctx)
		if err != nil {
			return "", nil, err
		}
		addr, err := freeAddr()
		if err != nil {
			stop()
			return "", nil, err
		}
		conf, err := p.write("haproxy.cfg", fmt.Sprintf(haproxyConf, p.dir, addr, option, backend))
		if err != nil {
			stop()
			return "", nil, err
		}
		// -W: a master that stays and starts workers; the socket lets a new worker take the listeners of the old one.
		return fmt.Sprintf("haproxy -W -f %s", conf), stop, nil
	}
}

const haproxyConf = `global
  maxconn 4096
  nbthread 2
  stats socket %[1]s/haproxy.sock mode 600 level admin expose-fd listeners
defaults
  mode http
  timeout connect 5s
  timeout client 60s
  timeout server 60s
  timeout tunnel 60s
frontend in
  bind %[2]s%[3]s
  default_backend out
backend out
  server bare %[4]s
`
