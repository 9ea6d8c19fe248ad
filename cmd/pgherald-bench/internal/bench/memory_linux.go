package bench

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/pgherald/pgherald/cmd/pgherald-bench/internal/load"
	"github.com/pgherald/pgherald/cmd/pgherald-bench/internal/process"
	"github.com/pgherald/pgherald/cmd/pgherald-bench/internal/report"
	"github.com/pgherald/pgherald/cmd/pgherald-bench/internal/writes"
)

// Memory measures the memory of an idle connection.
type Memory struct {
	Flags
	Connections int           `default:"0" help:"Clients; 0: 18,000 for each server, or as many as it may have files open."`
	Replicas    int           `default:"1" help:"Servers of pgherald that share the clients. A baseline gets the share of one server."`
	Settle      time.Duration `default:"10s" help:"Time between the last connect and the reading of memory."`
	Subjects    []string      `default:"write,listen,pgherald" help:"Servers to measure. write: bare sockets. listen: a net/http handler per client."`
	HTTP2       bool          `name:"http2" default:"true" negatable:"" help:"Also measure HTTP/2 without TLS, with the subjects that speak it."`
	Shared      int           `default:"50" help:"With HTTP/2, also measure connections that carry this number of streams each, like those of a proxy; 0: do not."`
}

// Validate reports values out of range and unknown subjects.
func (m *Memory) Validate() error {
	switch {
	case m.Replicas < 1 || m.Replicas > 100:
		return errors.New("--replicas must be from 1 to 100")
	case m.Connections < 0 || m.Connections > 10_000_000:
		return errors.New("--connections must be from 0 to 10000000")
	case m.Shared < 0 || m.Shared > 100:
		return errors.New("--shared must be from 0 to 100")
	case m.Settle < 0 || m.Settle > 10*time.Minute:
		return errors.New("--settle must be from 0 to 10m")
	}
	return checkSubjects(m.Subjects, ours, plainWrites, listenLoops)
}

var memoryColumns = []report.Column{
	{Key: "connections", Title: "streams"},
	{Key: "servers", Title: "servers"},
	{Key: "kb_per_connection", Title: "RSS KB each", Ratio: true},
	{Key: "peak_kb_per_connection", Title: "at the peak", Ratio: true},
	{Key: "idle_mb", Title: "empty server MB"},
	{Key: "kernel_kb_per_connection", Title: "kernel KB, both ends"},
	{Key: "connects_per_s", Title: "connects/s"},
	{Key: "connect_cpu_us", Title: "CPU µs each", Ratio: true},
}

// Run measures all subjects and prints the report.
func (m *Memory) Run(app *App) (err error) {
	share, err := m.perServer()
	if err != nil {
		return err
	}
	fx, err := m.open(app, 0)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, fx.close()) }()
	if err := fx.createTables(); err != nil {
		return err
	}
	sheet := &report.Sheet{Columns: memoryColumns}
	steps := 0
	for _, name := range m.Subjects {
		steps += len(m.protocols(name))
	}
	fx.progress.Expect(m.Rounds * steps)
	for range m.Rounds {
		for _, name := range m.Subjects {
			for _, p := range m.protocols(name) {
				if err := m.measure(fx, sheet, name, share, p); err != nil {
					return fmt.Errorf("measure %s, %s: %w", name, p, err)
				}
			}
		}
	}
	fx.notes.Add("RSS is the memory of the processes beyond that of an empty server. The kernel's own memory for a connection comes on top; its column holds both ends, because the clients run on this machine, too.")
	return fx.print("memory", sheet, map[string]string{"settle": m.Settle.String(), "replicas": strconv.Itoa(m.Replicas)})
}

// perServer returns the number of connections for each server.
func (m *Memory) perServer() (int, error) {
	limit := process.MaxOpenFiles() - load.SpareFiles
	n := min(18000, limit)
	if m.Connections > 0 {
		n = (m.Connections + m.Replicas - 1) / m.Replicas
	}
	if n > limit {
		return 0, fmt.Errorf("open %d connections to one server: a process may have %d files open; raise that limit (ulimit -n), or spread them with --replicas",
			n, process.MaxOpenFiles())
	}
	return n, nil
}

// protocol is the number of HTTP/2 streams on each connection; 0 is HTTP/1.1.
type protocol int

func (p protocol) String() string {
	switch p {
	case 0:
		return "HTTP/1.1"
	case 1:
		return "HTTP/2"
	}
	return fmt.Sprintf("HTTP/2, %d streams on each", int(p))
}

// protocols returns what to measure with a subject.
func (m *Memory) protocols(subject string) []protocol {
	switch {
	case !m.HTTP2 || subject == plainWrites:
		return []protocol{0}
	case m.Shared == 0:
		return []protocol{0, 1}
	}
	return []protocol{0, 1, protocol(m.Shared)}
}

// measure fills the servers of one subject with idle streams.
func (m *Memory) measure(fx *fixture, sheet *report.Sheet, name string, share int, p protocol) error {
	count := 1
	if name == ours {
		count = m.Replicas
	}
	fx.progress.Step("%d streams, %s, %s", share*count, p, name)
	f := &filling{fx: fx, protocol: p}
	defer f.stop()
	for range count {
		if err := f.startServer(name); err != nil {
			return err
		}
	}
	if p > 0 && !f.speaksHTTP2() {
		fx.notes.Add("%s does not speak HTTP/2 without TLS: skipped.", name)
		return nil
	}
	if err := f.fill(max(1, share/max(1, int(p))), m.Settle); err != nil {
		return err
	}
	sheet.Put(p.String(), name, "", f.figures())
	return nil
}

// filling fills one or more servers of a subject with idle streams.
type filling struct {
	fx            *fixture
	protocol      protocol
	servers       []*subject
	clients       []*load.Group
	streams       int
	before, after footprint
	took          time.Duration // to open the streams
}

// footprint is the memory, in bytes, and the CPU time of all servers.
type footprint struct {
	rss, peak, slab int64
	cpu             time.Duration
}

func (f *filling) startServer(name string) (err error) {
	var s *subject
	switch {
	case name == listenLoops:
		s, err = f.fx.startListenLoop("")
	case name == ours && f.protocol > 0:
		s, err = f.fx.startServer("--h2c")
	default:
		s, err = f.fx.start(name)
	}
	if err == nil {
		f.servers = append(f.servers, s)
	}
	return err
}

func (f *filling) stop() {
	for _, g := range f.clients {
		g.Stop()
	}
	for _, s := range f.servers {
		s.stop()
	}
}

// speaksHTTP2 reports whether the server accepts an HTTP/2 connection.
func (f *filling) speaksHTTP2() bool {
	client, err := f.fx.startClients(f.servers[0], load.Options{Clients: 1, Streams: 1})
	if err != nil {
		return false
	}
	defer client.Stop()
	ctx, cancel := context.WithTimeout(f.fx.ctx, 3*time.Second)
	defer cancel()
	_, err = client.Open(ctx)
	return err == nil
}

// fill opens a number of connections to each server and reads the footprint before and after.
func (f *filling) fill(connections int, settle time.Duration) (err error) {
	writes.Pause(f.fx.ctx, min(settle, 2*time.Second)) // let the start's garbage go
	if f.before, err = f.footprint(); err != nil {
		return err
	}
	for _, s := range f.servers {
		g, err := f.fx.startClients(s, load.Options{Clients: connections, Streams: int(f.protocol)})
		if err != nil {
			return err
		}
		f.clients = append(f.clients, g)
		status, err := g.Open(f.fx.ctx)
		if err != nil {
			return err
		}
		f.took += time.Duration(status.ReadyAt-status.OpenedAt) * time.Microsecond
		f.streams += connections * max(1, int(f.protocol))
	}
	writes.Pause(f.fx.ctx, settle)
	if f.after, err = f.footprint(); err != nil {
		return err
	}
	for _, g := range f.clients {
		if s, err := g.Status(f.fx.ctx); err != nil || s.Closed > 0 {
			return errors.Join(err, fmt.Errorf("hold %d idle connections: the server ended %d", connections, s.Closed))
		}
	}
	return f.fx.ctx.Err()
}

func (f *filling) footprint() (sum footprint, err error) {
	for _, s := range f.servers {
		rss, peak, err := process.Memory(s.process.PID())
		if err != nil {
			return sum, s.process.Failure("measure", err)
		}
		cpu, err := s.cpu()
		if err != nil {
			return sum, err
		}
		sum.rss, sum.peak, sum.cpu = sum.rss+rss, sum.peak+peak, sum.cpu+cpu
	}
	sum.slab = process.Slab()
	return sum, nil
}

func (f *filling) figures() map[string]float64 {
	n := float64(f.streams)
	return map[string]float64{
		"connections":              n,
		"servers":                  float64(len(f.servers)),
		"kb_per_connection":        float64(f.after.rss-f.before.rss) / 1024 / n,
		"peak_kb_per_connection":   float64(f.after.peak-f.before.rss) / 1024 / n,
		"idle_mb":                  float64(f.before.rss) / (1 << 20) / float64(len(f.servers)),
		"kernel_kb_per_connection": float64(f.after.slab-f.before.slab) / 1024 / n,
		"connects_per_s":           n / f.took.Seconds(),
		"connect_cpu_us":           float64((f.after.cpu - f.before.cpu).Microseconds()) / n,
	}
}
