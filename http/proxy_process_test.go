//go:build linux

package restarthttp_test

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	restarthttp "example.com/restart/http"
	"example.com/restart/internal/proctest"
)

// Proxies and clients of others, which try nothing twice.

// startH2 starts a role that speaks HTTP/2, with a certificate.
func startH2(t *testing.T, role string) (*proctest.Family, proctest.Generation) {
	t.Helper()
	_, _, env := certificate(t)
	return start(t, role, 1, env...)
}

// patientServer gives clients of HTTP/2 on a slow machine the time to answer.
func patientServer() *restarthttp.Server {
	s := newServer("web", http.HandlerFunc(answerPID))
	s.Linger = 10 * time.Second
	s.HTTP.Protocols = new(http.Protocols)
	s.HTTP.Protocols.SetHTTP1(true)
	return s
}

func serveH2C() error {
	s := patientServer()
	s.HTTP.Protocols.SetUnencryptedHTTP2(true)
	return restarthttp.Serve(context.Background(), s)
}

func serveH2TLS() error {
	s := patientServer()
	s.HTTP.Protocols.SetHTTP2(true)
	s.CertFile, s.KeyFile = os.Getenv("TEST_CERT"), os.Getenv("TEST_KEY")
	return restarthttp.Serve(context.Background(), s)
}

const nginxConf = `
daemon off;
master_process off;
pid pid;
error_log stderr warn;
events {}
http {
	access_log off;
	keepalive_requests 1000000000;
	client_body_temp_path body;
	proxy_temp_path proxy;
	fastcgi_temp_path fastcgi;
	uwsgi_temp_path uwsgi;
	scgi_temp_path scgi;
	upstream servers {
		server %s;
		keepalive 100;
	}
	server {
		listen unix:socket;
		location / {
			proxy_pass http://servers;
			proxy_http_version 1.1;
			proxy_set_header Connection "";
			proxy_next_upstream off;
		}
	}
}
`

// A proxy before a server that is restarted loses no request of its clients.
func TestProxiesLoseNothing(t *testing.T) {
	for name, tt := range map[string]struct {
		role, program string
		start         func(t *testing.T, program, addr string) (socket string)
	}{
		"haproxy h2c": {"h2c", "haproxy", func(t *testing.T, program, addr string) string {
			return proctest.StartHAProxy(t, program, "", addr+" proto h2")
		}},
		"haproxy h2 TLS": {"h2tls", "haproxy", func(t *testing.T, program, addr string) string {
			return proctest.StartHAProxy(t, program, "", addr+" ssl verify none alpn h2")
		}},
		"nginx": {"plain", "nginx", func(t *testing.T, program, addr string) string {
			return proctest.StartProxy(t, fmt.Sprintf(nginxConf, addr), program, "-p", ".", "-c", "conf", "-e", "stderr")
		}},
	} {
		t.Run(name, func(t *testing.T) {
			program := proctest.Program(t, tt.program, tt.program)
			f, g := startH2(t, tt.role)
			socket := tt.start(t, program, g.Addr["web"])
			l := startLoad(t, 100, func(int) func() error { return dialUnix(t, socket).postAndStay })
			for range proctest.RestartsBehindProxies(t) {
				l.more(1000)
				g = replace(f, g)
			}
			l.more(1000)
			l.end()
			stop(f, g)
		})
	}
}

// net/http's client loses nothing, with 100 streams on a connection.
func TestGoClientsOfHTTP2LoseNothing(t *testing.T) {
	for role, scheme := range map[string]string{"h2c": "http", "h2tls": "https"} {
		t.Run(role, func(t *testing.T) {
			f, g := startH2(t, role)
			transport := &http.Transport{Protocols: new(http.Protocols), TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}
			transport.Protocols.SetHTTP2(scheme == "https")
			transport.Protocols.SetUnencryptedHTTP2(scheme == "http")
			defer transport.CloseIdleConnections()
			client := &http.Client{Transport: transport, Timeout: proctest.Patience}
			url := scheme + "://" + g.Addr["web"]
			l := startLoad(t, 100, func(int) func() error {
				return func() error {
					resp, err := client.Post(url, "text/plain", strings.NewReader("hello"))
					if err != nil {
						return err
					}
					defer resp.Body.Close()
					if _, err := io.Copy(io.Discard, resp.Body); err != nil {
						return err
					}
					if resp.StatusCode != http.StatusOK || resp.ProtoMajor != 2 {
						return errors.New(resp.Proto + " " + resp.Status)
					}
					return nil
				}
			})
			for range proctest.RestartsBehindProxies(t) {
				l.more(1000)
				g = replace(f, g)
			}
			l.end()
			transport.CloseIdleConnections()
			stop(f, g)
		})
	}
}

// curl loses nothing with parallel requests over TLS; without TLS curl 7.88 fails
// also where nothing restarts.
func TestCurlLosesNothing(t *testing.T) {
	program := proctest.Program(t, "curl", "curl")
	f, g := startH2(t, "h2tls")
	url := fmt.Sprintf("https://%s/?[1-2000]", g.Addr["web"])
	l := startLoad(t, 1, func(int) func() error {
		return func() error { return runCurl(program, url, 2000) }
	})
	for range proctest.RestartsBehindProxies(t) {
		l.more(1)
		g = replace(f, g)
	}
	l.end()
	stop(f, g)
}

// runCurl makes requests, 50 at a time. An answer on standard output ends in the
// status that -w writes.
func runCurl(program, url string, requests int) error {
	ctx, cancel := context.WithTimeout(context.Background(), proctest.Patience)
	defer cancel()
	out, err := exec.CommandContext(ctx, program, "-sS", "-k", "--fail", "--http2",
		"-Z", "--parallel-immediate", "--parallel-max", "50", "-w", " %{http_version} %{http_code}\n", url).CombinedOutput()
	if n := strings.Count(string(out), " 2 200\n"); err == nil && n != requests {
		err = fmt.Errorf("%d of %d answers", n, requests)
	}
	if err != nil {
		return fmt.Errorf("curl: %w\n%s", err, tail(out))
	}
	return nil
}

func tail(b []byte) []byte { return b[max(0, len(b)-2000):] }
