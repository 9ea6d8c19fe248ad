package bench

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/pgherald/pgherald/cmd/pgherald-bench/internal/baseline"
	"github.com/pgherald/pgherald/cmd/pgherald-bench/internal/load"
	"github.com/pgherald/pgherald/cmd/pgherald-bench/internal/process"
	"github.com/pgherald/pgherald/cmd/pgherald-bench/internal/report"
	"github.com/pgherald/pgherald/cmd/pgherald-bench/internal/writes"
)

// Names of the subjects in flags and reports.
const (
	ours        = report.Ours
	plainWrites = "write"
	listenLoops = "listen"
	nchan       = "nchan"
	compressed  = "gzip"
)

// subject is a server under measurement.
type subject struct {
	name       string
	addr       string
	path       string // of its stream
	header     string // one more line of its clients' requests
	awaitFrame bool   // its stream begins with a frame after the head
	webSocket  bool   // its stream is a WebSocket
	process    *process.Process
	workers    bool // the server works in child processes
	publish    func(context.Context, writes.Offer) (writes.Published, error)
	stop       func() // may be called twice

	// position returns where a client is after a line, and resume the request that continues there. They are nil where a
	// client cannot resume.
	position func(line, before string) string
	resume   func(position string) (path, lastEventID string)
}

func (s *subject) cpu() (time.Duration, error) {
	if s.workers {
		return process.TreeCPU(s.process.PID())
	}
	return process.CPU(s.process.PID())
}

// startClients starts clients of a subject, which do not connect yet.
func (fx *fixture) startClients(s *subject, o load.Options) (*load.Group, error) {
	o.Addr, o.Path, o.AwaitFrame, o.WebSocket = s.addr, s.path, s.awaitFrame, s.webSocket
	o.Header += s.header
	return fx.clients.Start(o)
}

// start starts the subject of this name.
func (fx *fixture) start(name string) (*subject, error) {
	switch name {
	case plainWrites:
		return fx.startPlainWriter()
	case listenLoops:
		return fx.startListenLoop(naiveChannel)
	case nchan:
		return fx.startNchan()
	case edge:
		return fx.startEdgeAlone()
	case compressed:
		s, err := fx.startServer("--compress")
		if err == nil {
			s.header = "Accept-Encoding: gzip\r\n"
		}
		return s, err
	default:
		return fx.startServer()
	}
}

// startPlainWriter starts the baseline without batching, which makes up its events itself.
func (fx *fixture) startPlainWriter() (*subject, error) {
	s, err := fx.startChild(plainWrites, struct{}{})
	if err != nil {
		return nil, err
	}
	s.publish = func(ctx context.Context, o writes.Offer) (p writes.Published, err error) {
		if err := s.process.Send(o); err != nil {
			return p, err
		}
		return p, s.process.Receive(ctx, &p)
	}
	return s, nil
}

// startListenLoop starts the hand-written server on a channel. Without a channel it only holds
// connections.
func (fx *fixture) startListenLoop(channel string) (*subject, error) {
	s, err := fx.startChild(listenLoops, baseline.ListenConfig{DatabaseURL: fx.url, Channel: channel})
	if err == nil && channel != "" {
		s.publish = fx.inserter(naiveInsert, naiveOverhead)
	}
	return s, err
}

// startChild starts a baseline, whose role as a child has its name as a subject.
func (fx *fixture) startChild(name string, config any) (*subject, error) {
	text, err := json.Marshal(config)
	if err != nil {
		return nil, err
	}
	p, err := process.Start(process.Command{Name: "the baseline " + name, Path: fx.exe, Args: []string{"child", name, string(text)}, CPUs: fx.serverCPUs})
	if err != nil {
		return nil, err
	}
	var l process.Listening
	if err := p.Receive(fx.ctx, &l); err != nil {
		p.Stop()
		return nil, err
	}
	return &subject{name: name, addr: l.Addr, path: "/", awaitFrame: true, process: p, stop: p.Stop}, nil
}

// spec returns the path of the spec of the benchmark's tables.
func (fx *fixture) spec() string { return filepath.Join(fx.dir, "spec.yaml") }

// startServer starts pgherald on the benchmark's tables.
func (fx *fixture) startServer(args ...string) (*subject, error) {
	spec := fx.spec()
	if err := os.WriteFile(spec, []byte(watchedSpec), 0o600); err != nil {
		return nil, fmt.Errorf("write the spec: %w", err)
	}
	s, err := fx.serve(append([]string{"--spec=" + spec}, args...)...)
	if err == nil {
		s.publish = fx.inserter(watchedInsert, watchedOverhead)
	}
	return s, err
}

// serve starts pgherald and waits until it is ready.
func (fx *fixture) serve(args ...string) (*subject, error) {
	addr, err := freeAddr()
	if err != nil {
		return nil, err
	}
	// The server's own limit of streams is nine tenths of the sockets that it may have; the benchmarks open more.
	limit := "--max-connections=" + strconv.Itoa(process.MaxOpenFiles())
	args = slices.Concat([]string{"--log-level=warn", "serve", "--database-url=" + fx.url, "--addr=" + addr, limit}, args, fx.flags.ServeArg)
	p, err := process.Start(process.Command{Name: "pgherald serve", Path: fx.server, Args: args, CPUs: fx.serverCPUs})
	if err != nil {
		return nil, err
	}
	s := &subject{name: ours, addr: addr, path: "/api/events", awaitFrame: true, process: p, stop: p.Stop}
	s.position, s.resume = s.positionOfID, s.resumeAfterID
	if err := s.retry(fx.ctx, time.Minute, s.checkReady); err != nil {
		p.Stop()
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

// retry calls a function until it returns nil, the subject's process ends, or the time is over.
func (s *subject) retry(ctx context.Context, timeout time.Duration, try func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	for {
		err := try(ctx)
		if err == nil {
			return nil
		}
		select {
		case <-s.process.Done():
			return s.process.Failure("start", nil)
		case <-ctx.Done():
			return s.process.Failure("wait for", err)
		default:
			writes.Pause(ctx, 10*time.Millisecond)
		}
	}
}

func (s *subject) checkReady(ctx context.Context) error {
	return s.get(ctx, "/readyz", func(io.Reader) error { return nil })
}

// serverStats holds fields of GET /api/stats.
type serverStats struct {
	Feed struct {
		CatchUps    uint64 `json:"catchUps"`
		Unannounced uint64 `json:"unannounced"`
		Limit       int64  `json:"limit"`
	} `json:"feed"`
}

// stats returns the statistics of pgherald.
func (s *subject) stats(ctx context.Context) (stats serverStats, err error) {
	err = s.get(ctx, "/api/stats", func(body io.Reader) error { return json.NewDecoder(body).Decode(&stats) })
	return stats, err
}

// cursor returns the cursor with which a new stream begins.
func (s *subject) cursor(ctx context.Context) (cursor string, err error) {
	err = s.get(ctx, s.path, func(body io.Reader) error {
		for lines := bufio.NewScanner(body); lines.Scan(); {
			if id, ok := strings.CutPrefix(lines.Text(), "id: "); ok {
				cursor = id
				return nil
			}
		}
		return errors.New("the stream has no id line")
	})
	return cursor, err
}

// get requests a path and passes the body to read. A status other than 200 is an error.
func (s *subject) get(ctx context.Context, path string, read func(io.Reader) error) error {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+s.addr+path, nil)
	if err != nil {
		return err
	}
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	response, err := client.Do(request)
	if err != nil {
		return fmt.Errorf("request %s of %s: %w", path, s.name, err)
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("request %s of %s: it answered %s", path, s.name, response.Status)
	}
	if err := read(response.Body); err != nil {
		return fmt.Errorf("read %s of %s: %w", path, s.name, err)
	}
	return nil
}
