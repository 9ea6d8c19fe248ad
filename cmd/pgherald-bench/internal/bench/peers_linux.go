package bench

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"time"

	"github.com/pgherald/pgherald/cmd/pgherald-bench/internal/load"
	"github.com/pgherald/pgherald/cmd/pgherald-bench/internal/report"
	"github.com/pgherald/pgherald/cmd/pgherald-bench/internal/writes"
)

// Peers measures programs for the same purpose, as their makers publish them, beside pgherald.
type Peers struct {
	Flags
	Timing
	Centrifugo  string        `type:"path" placeholder:"PATH" help:"Program of Centrifugo 6: its PostgreSQL broker, to which the writer publishes in its transaction."`
	Mercure     string        `type:"path" placeholder:"PATH" help:"Program of Mercure: the writer posts to it after its COMMIT."`
	PgEventserv string        `type:"path" placeholder:"PATH" help:"Program pg_eventserv: a trigger sends the row in a NOTIFY. Its clients are WebSockets."`
	Rate        int           `default:"20" help:"Writes per second."`
	Few         int           `default:"100" help:"Clients where the delay is measured."`
	Many        int           `default:"1000" help:"Clients where the CPU time of a delivery is measured."`
	Idle        int           `default:"5000" help:"Clients where the memory of a connection is measured."`
	Settle      time.Duration `default:"10s" help:"Time between the last connect and the reading of memory."`
	Missed      int           `default:"200" help:"Events that a client misses before it returns."`
	EventBytes  int           `default:"300" help:"Size of an event on the wire."`
	ServerCPUs  int           `name:"server-cpus" default:"0" help:"Processors that are reserved for the server; 0: it shares all."`
}

// Validate reports values out of range.
func (p *Peers) Validate() error {
	switch {
	case p.Idle < 1 || p.Idle > 18000:
		return errors.New("--idle must be from 1 to 18000")
	case p.Missed < 1 || p.Missed > 10_000:
		return errors.New("--missed must be from 1 to 10000")
	case p.Settle < 0 || p.Settle > 10*time.Minute:
		return errors.New("--settle must be from 0 to 10m")
	}
	return errors.Join(checkOffers(p.Few, []int{p.Rate}, p.EventBytes), checkOffers(p.Many, []int{p.Rate}, p.EventBytes))
}

var peersColumns = []report.Column{
	{Key: "p50_ms", Title: "p50 ms", Ratio: true},
	{Key: "p99_ms", Title: "p99 ms", Ratio: true},
	{Key: "us_per_delivery", Title: "CPU µs each", Ratio: true},
	{Key: "bytes_per_delivery", Title: "bytes"},
	{Key: "kb_per_connection", Title: "RSS KB each", Ratio: true},
	{Key: "idle_mb", Title: "empty server MB"},
	{Key: "received_percent", Title: "received %"},
	{Key: "complete_percent", Title: "complete %"},
	{Key: "server_cpus", Title: "CPUs: server"},
	{Key: "load_cpus", Title: "load"},
	{Key: "postgres_cpus", Title: "Postgres"},
}

// Run measures pgherald and the peers whose programs are named, and prints the report.
func (p *Peers) Run(app *App) (err error) {
	fx, err := p.open(app, p.ServerCPUs)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, fx.close()) }()
	if err := fx.createTables(); err != nil {
		return err
	}
	subjects := p.subjects(fx)
	sheet := &report.Sheet{Columns: peersColumns}
	fx.progress.Expect(p.Rounds * len(subjects) * len(p.scenarios()))
	for range p.Rounds {
		for _, start := range subjects {
			for _, scenario := range p.scenarios() {
				if err := p.measure(fx, sheet, start, scenario); err != nil {
					return err
				}
			}
		}
	}
	fx.notes.Add("received: of the events that the clients were to receive. away: one client returns where it was. connections end: PostgreSQL ends all connections of the server while events are written.")
	return fx.print("peers", sheet, map[string]string{"event bytes": strconv.Itoa(p.EventBytes), "duration": p.Duration.String(), "settle": p.Settle.String()})
}

// starter starts a subject, which the caller must stop.
type starter struct {
	name  string
	start func() (*subject, error)
}

// subjects returns pgherald and the peers whose programs are named.
func (p *Peers) subjects(fx *fixture) []starter {
	all := []starter{{ours, func() (*subject, error) { return fx.startServer() }}}
	for _, peer := range []struct {
		name, program string
		start         func(program string) (*subject, error)
	}{
		{centrifugo, p.Centrifugo, fx.startCentrifugo},
		{mercure, p.Mercure, fx.startMercure},
		{pgEventserv, p.PgEventserv, fx.startPgEventserv},
	} {
		if peer.program != "" {
			fx.notes.Add("%s", versionOf(peer.name, peer.program))
			all = append(all, starter{peer.name, func() (*subject, error) { return peer.start(peer.program) }})
		}
	}
	return all
}

// scenario is one measurement of a subject that has just started.
type scenario struct {
	name    string
	measure func(*fixture, *subject) (values map[string]float64, bottleneck string, err error)
}

func (p *Peers) scenarios() []scenario {
	return []scenario{
		{fmt.Sprintf("%d events/s to %d clients", p.Rate, p.Few), p.delivery(p.Few)},
		{fmt.Sprintf("%d events/s to %d clients", p.Rate, p.Many), p.delivery(p.Many)},
		{fmt.Sprintf("%d idle clients", p.Idle), p.idle},
		{fmt.Sprintf("away for %d events", p.Missed), p.away},
		{"connections end", p.disconnected},
	}
}

// measure starts a subject for one scenario.
func (p *Peers) measure(fx *fixture, sheet *report.Sheet, subject starter, scenario scenario) error {
	fx.progress.Step("%s, %s", scenario.name, subject.name)
	s, err := subject.start()
	if err != nil {
		return fmt.Errorf("start %s: %w", subject.name, err)
	}
	defer s.stop()
	values, bottleneck, err := scenario.measure(fx, s)
	if err != nil {
		return fmt.Errorf("measure %s, %s: %w", subject.name, scenario.name, err)
	}
	sheet.Put(scenario.name, subject.name, bottleneck, values)
	return nil
}

// delivery measures an offer to a number of clients.
func (p *Peers) delivery(connections int) func(*fixture, *subject) (map[string]float64, string, error) {
	return func(fx *fixture, s *subject) (map[string]float64, string, error) {
		return p.deliver(fx, s, connections, func(context.Context) error { return nil })
	}
}

// deliver measures an offer to a number of clients, and calls half when half of its time is over.
func (p *Peers) deliver(fx *fixture, s *subject, connections int, half func(context.Context) error) (map[string]float64, string, error) {
	clients, err := fx.openClients(s, connections)
	if err != nil {
		return nil, "", err
	}
	defer clients.Stop()
	warmup := writes.Offer{First: fx.nextOffer(), Rate: float64(p.Rate), Duration: min(time.Second, p.Duration), Bytes: p.EventBytes}
	if _, err := fx.deliver(s, clients, warmup); err != nil {
		return nil, "", err
	}
	o := writes.Offer{First: fx.nextOffer(), Rate: float64(p.Rate), Duration: p.Duration, Bytes: p.EventBytes}
	ctx, cancel := context.WithCancel(fx.ctx)
	defer cancel()
	var errHalf error
	var running sync.WaitGroup
	running.Go(func() {
		if writes.Pause(ctx, p.Duration/2); ctx.Err() == nil {
			errHalf = half(ctx)
		}
	})
	d, err := fx.deliver(s, clients, o)
	cancel()
	running.Wait()
	if err := errors.Join(err, errHalf); err != nil {
		return nil, "", err
	}
	values := d.figures(o)
	values["received_percent"] = 100 * float64(d.report.Received) / float64(d.events*int64(d.clients))
	return values, d.usage.bottleneck(len(fx.serverCPUs), clients.Processes()), nil
}

// openClients starts clients of a subject and waits until all streams have begun.
func (fx *fixture) openClients(s *subject, connections int) (*load.Group, error) {
	clients, err := fx.startClients(s, load.Options{Clients: connections})
	if err != nil {
		return nil, err
	}
	if _, err := clients.Open(fx.ctx); err != nil {
		clients.Stop()
		return nil, err
	}
	return clients, nil
}

// idle measures the memory of connections without events.
func (p *Peers) idle(fx *fixture, s *subject) (map[string]float64, string, error) {
	f := &filling{fx: fx, servers: []*subject{s}}
	defer func() {
		for _, g := range f.clients {
			g.Stop()
		}
	}()
	if err := f.fill(p.Idle, p.Settle); err != nil {
		return nil, "", err
	}
	return f.figures(), "none", nil
}
