package bench

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"time"
)

// Names of the subjects, as flags and tables have them.
const (
	ours        = "pgherald"
	plainWrites = "write"
	listenLoops = "listen"
	nchan       = "nchan"
)

// subject is a server under measurement.
type subject struct {
	name       string
	addr       string
	path       string
	awaitFrame bool // its stream begins with a frame, not only with a head
	process    *process
	workers    bool // it works in children of the process
	publish    func(context.Context, offer) (published, error)
	stop       func()
}

func (s *subject) cpu() (time.Duration, error) {
	if s.workers {
		return treeCPU(s.process.pid())
	}
	return cpuOf(s.process.pid())
}

// start starts the subject of this name.
func (l *lab) start(name string) (*subject, error) {
	switch name {
	case plainWrites:
		return l.startPlainWrite()
	case listenLoops:
		return l.startListenLoop("naive")
	case nchan:
		return l.startNchan()
	default:
		return l.startServer()
	}
}

// startPlainWrite: see plainWrite. It publishes itself.
func (l *lab) startPlainWrite() (*subject, error) {
	s, err := l.startChild(plainWrites, "write", struct{}{})
	if err != nil {
		return nil, err
	}
	s.publish = func(ctx context.Context, o offer) (p published, err error) {
		if err := s.process.tell(o); err != nil {
			return p, err
		}
		return p, s.process.hear(ctx, &p)
	}
	return s, nil
}

// startListenLoop: see listenLoop. Without a channel it only holds connections.
func (l *lab) startListenLoop(channel string) (*subject, error) {
	s, err := l.startChild(listenLoops, "listen", listenConfig{DatabaseURL: l.url, Channel: channel})
	if err == nil && channel != "" {
		s.publish = l.inserter(naiveInsert, naiveOverhead)
	}
	return s, err
}

// startChild starts one of our own baselines.
func (l *lab) startChild(name, role string, config any) (*subject, error) {
	text, err := json.Marshal(config)
	if err != nil {
		return nil, err
	}
	p, err := startProcess(command{name: "the baseline " + name, path: l.exe, args: []string{"child", role, string(text)}, cpus: l.serverCPUs})
	if err != nil {
		return nil, err
	}
	var at listening
	if err := p.hear(l.ctx, &at); err != nil {
		p.stop()
		return nil, err
	}
	return &subject{name: name, addr: at.Addr, path: "/", awaitFrame: true, process: p, stop: p.stop}, nil
}

// startServer starts the real thing, on the lab's tables.
func (l *lab) startServer(args ...string) (*subject, error) {
	spec := filepath.Join(l.dir, "spec.yaml")
	if err := os.WriteFile(spec, []byte(benchSpec), 0o600); err != nil {
		return nil, fmt.Errorf("write the spec: %w", err)
	}
	s, err := l.serve(append([]string{"--spec=" + spec}, args...)...)
	if err == nil {
		s.publish = l.inserter(watchedInsert, watchedOverhead)
	}
	return s, err
}

// serve starts pgherald and returns when it is ready.
func (l *lab) serve(args ...string) (*subject, error) {
	addr, err := freeAddr()
	if err != nil {
		return nil, err
	}
	args = slices.Concat([]string{"--log-level=warn", "serve", "--database-url=" + l.url, "--addr=" + addr}, args, l.flags.ServeArg)
	p, err := startProcess(command{name: "pgherald serve", path: l.server, args: args, cpus: l.serverCPUs})
	if err != nil {
		return nil, err
	}
	s := &subject{name: ours, addr: addr, path: "/api/events", awaitFrame: true, process: p, stop: p.stop}
	if err := s.waitReady(l.ctx); err != nil {
		p.stop()
		return nil, err
	}
	return s, nil
}

func freeAddr() (string, error) {
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		return "", fmt.Errorf("find a free port: %w", err)
	}
	return l.Addr().String(), l.Close()
}

// waitReady asks until the server is ready.
func (s *subject) waitReady(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	for {
		if s.isReady(ctx) {
			return nil
		}
		select {
		case <-s.process.done:
			return s.process.failure("started", s.process.err)
		case <-ctx.Done():
			return s.process.failure("waited for", ctx.Err())
		default:
			pause(ctx, 10*time.Millisecond)
		}
	}
}

func (s *subject) isReady(ctx context.Context) bool {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+s.addr+"/readyz", nil)
	if err != nil {
		return false
	}
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	response, err := client.Do(request)
	if err != nil {
		return false
	}
	return errors.Join(response.Body.Close()) == nil && response.StatusCode == http.StatusOK
}
