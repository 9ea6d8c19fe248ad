package load

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/pgherald/pgherald/cmd/pgherald-bench/internal/process"
	"github.com/pgherald/pgherald/cmd/pgherald-bench/internal/writes"
)

// maxPerProcess limits the connections of a client process: its open files and the ports of its
// addresses allow no more.
const maxPerProcess = 18000

// SpareFiles is a generous bound on the files that a process opens beside its connections.
const SpareFiles = 1000

// OpenTimeout bounds the opening of all connections of a group.
const OpenTimeout = 2 * time.Minute

// ErrLost reports that events are missing and nothing arrives any more.
var ErrLost = errors.New("events are missing")

// Launcher starts groups. All groups of one benchmark need the same Launcher, which gives each client
// process addresses of its own.
type Launcher struct {
	Exe  string // this program
	CPUs []int  // processors of the client processes; all if empty

	started int
}

// Options describes a group.
type Options struct {
	Addr       string // of the server
	Path       string
	Clients    int    // connections
	Connecting int    // limit on simultaneous connects; 0: 256
	Header     string // one more line of the request, with its line end
	Streams    int    // of HTTP/2 on each connection; 0: HTTP/1.1
	WebSocket  bool   // the path is that of a WebSocket
	KeyN       string // text before an event's number; empty: "n", and "sent" before the time of its write
	AwaitFrame bool   // a stream is ready with its first frame, not with the head of the response
}

// Group is the clients of one server, in one or more processes.
type Group struct {
	Clients int
	procs   []*process.Process
}

// Start starts the processes of a group. They connect with Open.
func (l *Launcher) Start(o Options) (*Group, error) {
	g := &Group{Clients: o.Clients}
	c := config{Addr: o.Addr, Streams: o.Streams, AwaitFrame: o.AwaitFrame, KeyN: o.KeyN}
	if o.Connecting == 0 {
		o.Connecting = 256
	}
	if o.KeyN == "" {
		c.KeyN, c.KeySent = `"n"`, `"sent"`
	}
	c.Request = []byte("GET " + o.Path + " HTTP/1.1\r\nHost: " + o.Addr + "\r\nAccept: text/event-stream\r\n" + o.Header + "\r\n")
	if o.Streams > 0 {
		c.Request = []byte(http2Request(o.Path, o.Addr, o.Streams))
	}
	if o.WebSocket {
		c.WebSocket = o.Addr + o.Path
	}
	limit := min(maxPerProcess, process.MaxOpenFiles()-SpareFiles)
	count := (o.Clients + limit - 1) / limit
	for i := range count {
		c.Source = fmt.Sprintf("127.%d.%d.1", 1+l.started/250, l.started%250)
		c.Connections, c.Connecting = (o.Clients+i)/count, max(1, o.Connecting/count)
		l.started = (l.started + 1) % 50000
		text, err := json.Marshal(c)
		if err != nil {
			return nil, err
		}
		p, err := process.Start(process.Command{Name: "the load", Path: l.Exe, Args: []string{"child", "load", string(text)}, CPUs: l.CPUs})
		if err != nil {
			g.Stop()
			return nil, err
		}
		g.procs = append(g.procs, p)
	}
	return g, nil
}

// Stop ends the group's processes and waits for them.
func (g *Group) Stop() {
	for _, p := range g.procs {
		p.CloseInput() // all first, so that they end at the same time
	}
	for _, p := range g.procs {
		p.Stop()
	}
}

// Processes returns the number of processes. Each is a single thread.
func (g *Group) Processes() int { return len(g.procs) }

// CPU returns the CPU time of all processes.
func (g *Group) CPU() (sum time.Duration) {
	for _, p := range g.procs {
		cpu, _ := process.CPU(p.PID()) // the next order reports a process that has ended
		sum += cpu
	}
	return sum
}

// send gives an order to all processes and sums their answers.
func (g *Group) send(ctx context.Context, o order) (Status, error) {
	var sum Status
	for _, p := range g.procs {
		if err := p.Send(o); err != nil {
			return sum, err
		}
	}
	for _, p := range g.procs {
		var s Status
		if err := p.Receive(ctx, &s); err != nil {
			return sum, err
		}
		sum.add(s)
	}
	return sum, nil
}

// Status returns the present counts.
func (g *Group) Status(ctx context.Context) (Status, error) {
	return g.send(ctx, order{Do: orderStatus})
}

// Open connects all clients and returns when every stream has begun.
func (g *Group) Open(ctx context.Context) (Status, error) {
	ctx, cancel := context.WithTimeout(ctx, OpenTimeout)
	defer cancel()
	s, err := g.send(ctx, order{Do: orderOpen})
	for err == nil && s.Ready < g.Clients {
		if s.Failed > 0 {
			return s, fmt.Errorf("open %d connections: %d failed, the last with: %s", g.Clients, s.Failed, s.Error)
		}
		writes.Pause(ctx, 20*time.Millisecond)
		s, err = g.Status(ctx)
	}
	if err != nil {
		return s, fmt.Errorf("open %d connections, %d of them opened: %w", g.Clients, s.Ready, err)
	}
	return s, nil
}

// Mark resets the counts: the clients count from event number first on.
func (g *Group) Mark(ctx context.Context, first int64) error {
	_, err := g.send(ctx, order{Do: orderMark, First: first})
	return err
}

// Await returns when all clients together have received a number of events. It returns ErrLost when
// none arrives for the duration of patience.
func (g *Group) Await(ctx context.Context, events int64, patience time.Duration) error {
	var before int64
	changed := time.Now()
	for {
		s, err := g.Status(ctx)
		if err != nil || s.Received >= events {
			return err
		}
		if s.Received != before {
			before, changed = s.Received, time.Now()
		}
		if time.Since(changed) > patience {
			return ErrLost
		}
		writes.Pause(ctx, 10*time.Millisecond)
	}
}

// Report returns the delivery of the events from first to last.
func (g *Group) Report(ctx context.Context, first, last int64) (Report, error) {
	var sum Report
	for _, p := range g.procs {
		if err := p.Send(order{Do: orderReport, First: first, Last: last}); err != nil {
			return sum, err
		}
		var r Report
		if err := p.Receive(ctx, &r); err != nil {
			return sum, err
		}
		sum.add(r)
	}
	return sum, nil
}
