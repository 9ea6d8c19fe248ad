package bench

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"golang.org/x/sys/unix"
)

// spareFiles are what a process has open beside its connections, generously.
const spareFiles = 1000

// Memory measures what an idle connection costs.
type Memory struct {
	Flags
	Connections int           `default:"0" help:"Clients; 0: 18,000 for each server, or as many as it may have files open."`
	Replicas    int           `default:"1" help:"Servers of pgherald that share the clients. Baselines get one server's share."`
	Settle      time.Duration `default:"10s" help:"How long after the last connection is opened memory is read."`
	Subjects    []string      `default:"write,listen,pgherald" help:"What is measured: pgherald; write: bare sockets; listen: a net/http handler per client."`
	HTTP2       bool          `name:"http2" default:"true" negatable:"" help:"Measure HTTP/2 without TLS, too, with those who speak it."`
	Shared      int           `default:"50" help:"With HTTP/2, measure as many streams on connections that carry so many each, too, as those of a proxy do; 0 leaves it out."`
}

// Validate is called by kong.
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

var memoryColumns = []Column{
	{Key: "connections", Title: "streams"},
	{Key: "servers", Title: "servers"},
	{Key: "kb_per_connection", Title: "RSS KB each", Ratio: true},
	{Key: "peak_kb_per_connection", Title: "at the peak", Ratio: true},
	{Key: "idle_mb", Title: "empty server MB"},
	{Key: "kernel_kb_per_connection", Title: "kernel KB, both ends"},
	{Key: "connects_per_s", Title: "connects/s"},
	{Key: "connect_cpu_us", Title: "CPU µs each", Ratio: true},
}

// openFiles is how many files a process may have open.
func openFiles() int {
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
		return 1024
	}
	return int(min(limit.Max, 1<<30)) // Go raises the soft limit to it by itself
}

// perServer is how many connections each server gets.
func (m *Memory) perServer() (int, error) {
	most := openFiles() - spareFiles
	n := min(18000, most)
	if m.Connections > 0 {
		n = (m.Connections + m.Replicas - 1) / m.Replicas
	}
	if n > most {
		return 0, fmt.Errorf("open %d connections to one server: a process may have %d files open; raise it (ulimit -n), or spread them with --replicas",
			n, openFiles())
	}
	return n, nil
}

// Run measures, in turns.
func (m *Memory) Run(app *App) (err error) {
	share, err := m.perServer()
	if err != nil {
		return err
	}
	l, err := m.open(app, 0)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, l.close()) }()
	if err := l.makeTables(l.ctx); err != nil {
		return err
	}
	sheet := &sheet{columns: memoryColumns}
	steps := 0
	for _, name := range m.Subjects {
		steps += len(m.streams(name))
	}
	l.bar.expect(m.Rounds * steps)
	for range m.Rounds {
		for _, name := range m.Subjects {
			for _, streams := range m.streams(name) {
				if err := m.measure(l, sheet, name, share, streams); err != nil {
					return fmt.Errorf("measure %s, %s: %w", name, protocol(streams), err)
				}
			}
		}
	}
	l.notes.add("RSS is the memory of the processes, above what an empty server has. The kernel's own memory for a connection comes on top; its column holds both ends, as the clients are on this machine, too.")
	return l.print("memory", sheet, map[string]string{"settle": m.Settle.String(), "replicas": strconv.Itoa(m.Replicas)})
}

// streams are how many each connection of a subject carries, 0 for HTTP/1.1, one measurement after the other.
func (m *Memory) streams(subject string) []int {
	switch {
	case !m.HTTP2 || subject == plainWrites:
		return []int{0}
	case m.Shared == 0:
		return []int{0, 1}
	}
	return []int{0, 1, m.Shared}
}

func protocol(streams int) string {
	switch streams {
	case 0:
		return "HTTP/1.1"
	case 1:
		return "HTTP/2"
	}
	return fmt.Sprintf("HTTP/2, %d streams on each", streams)
}

// measure fills one subject's servers with idle streams.
func (m *Memory) measure(l *lab, sheet *sheet, name string, share, streams int) error {
	count := 1
	if name == ours {
		count = m.Replicas
	}
	l.bar.step("%d streams, %s, %s", share*count, protocol(streams), name)
	f := &filling{lab: l, streams: streams}
	defer f.stop()
	for range count {
		if err := f.add(name); err != nil {
			return err
		}
	}
	if streams > 0 && !f.speaks() {
		l.notes.add("%s does not speak HTTP/2 without TLS: skipped.", name)
		return nil
	}
	if err := f.fill(max(1, share/max(1, streams)), m.Settle); err != nil {
		return err
	}
	sheet.put(protocol(streams), name, "", f.figures())
	return nil
}

// filling is a subject that is being filled, one or more servers of it.
type filling struct {
	lab           *lab
	streams       int // on each connection; 0: HTTP/1.1
	servers       []*subject
	crowds        []*crowd
	size          int
	before, after footprint
	took          time.Duration
}

// footprint is what the servers use.
type footprint struct {
	rss, peak, slab int64
	cpu             time.Duration
}

func (f *filling) add(name string) (err error) {
	var s *subject
	switch {
	case name == listenLoops:
		s, err = f.lab.startListenLoop("")
	case name == ours && f.streams > 0:
		s, err = f.lab.startServer("--h2c")
	default:
		s, err = f.lab.start(name)
	}
	if err == nil {
		f.servers = append(f.servers, s)
	}
	return err
}

func (f *filling) stop() {
	for _, c := range f.crowds {
		c.stop()
	}
	for _, s := range f.servers {
		s.stop()
	}
}

// speaks tries one connection of HTTP/2.
func (f *filling) speaks() bool {
	c, err := f.lab.gather(f.servers[0], gathering{size: 1, streams: 1})
	if err != nil {
		return false
	}
	defer c.stop()
	ctx, cancel := context.WithTimeout(f.lab.ctx, 3*time.Second)
	defer cancel()
	_, err = c.open(ctx)
	return err == nil
}

func (f *filling) fill(share int, settle time.Duration) (err error) {
	pause(f.lab.ctx, min(settle, 2*time.Second)) // what starting left behind
	if f.before, err = f.weigh(); err != nil {
		return err
	}
	for _, s := range f.servers {
		c, err := f.lab.gather(s, gathering{size: share, streams: f.streams})
		if err != nil {
			return err
		}
		f.crowds = append(f.crowds, c)
		status, err := c.open(f.lab.ctx)
		if err != nil {
			return err
		}
		f.took += time.Duration(status.ReadyAt-status.OpenedAt) * time.Microsecond
		f.size += share * max(1, f.streams)
	}
	pause(f.lab.ctx, settle)
	if f.after, err = f.weigh(); err != nil {
		return err
	}
	for _, c := range f.crowds { // are they all still there?
		if s, err := c.order(f.lab.ctx, loadOrder{Do: "status"}); err != nil || s.Closed > 0 {
			return errors.Join(err, fmt.Errorf("hold %d idle connections: %d were ended by the server", share, s.Closed))
		}
	}
	return f.lab.ctx.Err()
}

func (f *filling) weigh() (sum footprint, err error) {
	for _, s := range f.servers {
		rss, peak, err := rssOf(s.process.pid())
		if err != nil {
			return sum, s.process.failure("measured", err)
		}
		cpu, err := s.cpu()
		if err != nil {
			return sum, err
		}
		sum.rss, sum.peak, sum.cpu = sum.rss+rss, sum.peak+peak, sum.cpu+cpu
	}
	sum.slab = slab()
	return sum, nil
}

func (f *filling) figures() map[string]float64 {
	n := float64(f.size)
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
