package main

import (
	"context"
	"fmt"
	"os/exec"
	"syscall"

	"example.com/restart/storm/compare"
	"example.com/restart/storm/internal/target"
)

// peers returns the built-in servers in the order of the table.
func peers(p *place) []compare.Contestant {
	return []compare.Contestant{
		{Name: "tableflip", Signal: syscall.SIGHUP, Prepare: p.library("tableflip")},
		{Name: "endless", Signal: syscall.SIGHUP, Prepare: p.library("endless")},
		{Name: "grace", Signal: syscall.SIGUSR2, Prepare: p.library("grace")},
		{Name: "overseer", Signal: syscall.SIGUSR2, Prepare: p.library("overseer")},
		{Name: "nginx", Signal: syscall.SIGHUP, Missing: missing("nginx"), Prepare: p.nginx},
		{Name: "haproxy", Signal: syscall.SIGUSR2, Missing: missing("haproxy"), Prepare: p.haproxy("")},
		{
			Name: "haproxy idle-close-on-response", Signal: syscall.SIGUSR2, Missing: missing("haproxy"),
			Prepare: p.haproxy("\n  option idle-close-on-response"),
		},
	}
}

func missing(program string) string {
	if _, err := exec.LookPath(program); err != nil {
		return program + " is not installed"
	}
	return ""
}

// library builds a test server of this module.
func (p *place) library(name string) prepare {
	return func(ctx context.Context) (string, func(), error) {
		path, err := p.build(ctx, module+name, name)
		return path + " -addr {addr}", func() {}, err
	}
}

// prepare is compare.Contestant's Prepare.
type prepare = func(context.Context) (command string, clean func(), err error)

// nginx is a proxy in front of a server that never restarts.
func (p *place) nginx(ctx context.Context) (string, func(), error) {
	return p.proxy(ctx, "nginx.conf", func(backend, addr string) (config, command string) {
		return fmt.Sprintf(nginxConf, p.dir, backend, addr), "nginx -p " + p.dir + " -e stderr -c "
	})
}

// haproxy is the same. -W is a master that stays and starts workers.
func (p *place) haproxy(option string) prepare {
	return func(ctx context.Context) (string, func(), error) {
		return p.proxy(ctx, "haproxy.cfg", func(backend, addr string) (config, command string) {
			return fmt.Sprintf(haproxyConf, p.dir, addr, option, backend), "haproxy -W -f "
		})
	}
}

// proxy starts the backend and writes the configuration. The command gets the path of the configuration.
func (p *place) proxy(ctx context.Context, file string, make func(backend, addr string) (config, command string)) (string, func(), error) {
	backend, stop, err := p.backend(ctx)
	if err != nil {
		return "", nil, err
	}
	addr, err := target.FreeAddr()
	if err == nil {
		config, command := make(backend, addr)
		var path string
		if path, err = p.write(file, config); err == nil {
			return command + path, stop, nil
		}
	}
	stop()
	return "", nil, err
}

// One worker: with two, both of one generation accept in turn, and nothing else changes. keepalive_requests is high,
// because a connection that is closed after 1000 requests was not closed by the restart.
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

// The stats socket lets a new worker take the listeners of the old one.
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
