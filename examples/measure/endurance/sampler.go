package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"time"
)

// A sampler asks the serving process for a sample before each restart.
type sampler struct {
	dir, socket string
	client      http.Client
	samples     []sample
}

func newSampler() (*sampler, error) {
	dir, err := os.MkdirTemp("", "endurance-*")
	if err != nil {
		return nil, err
	}
	s := &sampler{dir: dir, socket: filepath.Join(dir, "stats")}
	s.client = http.Client{Timeout: 30 * time.Second, Transport: &http.Transport{
		DisableKeepAlives: true, // an idle connection would move, and be one of the open files
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, "unix", s.socket)
		},
	}}
	return s, nil
}

func (s *sampler) remove() { _ = os.RemoveAll(s.dir) }

func (s *sampler) sample(ctx context.Context) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://stats/", nil)
	if err != nil {
		return err
	}
	resp, err := s.client.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("sample: %s", resp.Status)
	}
	var x sample
	if err := json.NewDecoder(resp.Body).Decode(&x); err != nil {
		return fmt.Errorf("sample: %w", err)
	}
	s.samples = append(s.samples, x)
	return nil
}
