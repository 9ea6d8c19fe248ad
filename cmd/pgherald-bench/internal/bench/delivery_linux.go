package bench

import (
	"context"
	"errors"
	"fmt"
	"math"
	"strconv"
	"time"

	"github.com/pgherald/pgherald/cmd/pgherald-bench/internal/load"
	"github.com/pgherald/pgherald/cmd/pgherald-bench/internal/report"
	"github.com/pgherald/pgherald/cmd/pgherald-bench/internal/stats"
	"github.com/pgherald/pgherald/cmd/pgherald-bench/internal/writes"
)

// delivery is the result of one offer to one server.
type delivery struct {
	usage   usage
	clients int
	events  int64 // published
	seconds float64
	report  load.Report
}

func (d delivery) rate() float64 { return float64(d.report.Received) / d.seconds }

// cpuMicros returns the server's CPU time for each delivery, in µs.
func (d delivery) cpuMicros() float64 {
	return float64(d.usage.server.Microseconds()) / float64(d.report.Received)
}

// latency returns a quantile of the time from the write to the clients, in ms.
func (d delivery) latency(q float64) float64 { return d.report.Latency.Quantile(q) / 1000 }

// spread returns a quantile of the time between the first and the last client of an event, in ms.
func (d delivery) spread(q float64) float64 {
	var spreads []float64
	for i, first := range d.report.First {
		if first > 0 {
			spreads = append(spreads, float64(d.report.Last[i]-first)/1000)
		}
	}
	return stats.Quantile(spreads, q)
}

// toLast returns a quantile of the time from the write to the last client of an event, in ms.
func (d delivery) toLast(q float64) float64 {
	var times []float64
	for i, sent := range d.report.Sent {
		if sent > 0 {
			times = append(times, float64(d.report.Last[i]-sent)/1000)
		}
	}
	return stats.Quantile(times, q)
}

// deliver publishes an offer and returns when its clients have received it, or nothing arrives any more.
func (fx *fixture) deliver(s *subject, clients *load.Group, o writes.Offer) (d delivery, err error) {
	ctx, cancel := context.WithTimeout(fx.ctx, 4*o.Duration+time.Minute+2*fx.flags.Patience)
	defer cancel()
	if err := clients.Mark(ctx, o.First); err != nil {
		return d, err
	}
	before, began, err := fx.cpuTimes(s, clients)
	if err != nil {
		return d, err
	}
	p, err := s.publish(ctx, o)
	if err != nil {
		return d, err
	}
	d.events, d.clients = p.Last-o.First+1, clients.Clients
	err = clients.Await(ctx, d.events*int64(d.clients), fx.flags.Patience)
	if err != nil && !errors.Is(err, load.ErrLost) {
		return d, err
	}
	after, _, err := fx.cpuTimes(s, clients)
	if err != nil {
		return d, err
	}
	if d.report, err = clients.Report(ctx, o.First, p.Last); err != nil {
		return d, err
	}
	d.usage = after.since(before)
	d.usage.elapsed = time.UnixMicro(d.report.ArrivedAt).Sub(began)
	d.seconds = math.Max(d.usage.elapsed.Seconds(), 1e-6)
	return d, nil
}

// series is a number of offers, at several rates, to the same clients of each subject.
type series struct {
	benchmark   string
	connections int
	rates       []int // events per second
	duration    time.Duration
	bytes       int
	rows        int // of each transaction; 0: 1
	serverCPUs  int
	subjects    []string
	columns     []report.Column
	scenario    string // format of a rate
	note        string
}

// run measures the subjects in turns and prints the report.
func (r series) run(app *App, flags *Flags) (err error) {
	fx, err := flags.open(app, r.serverCPUs)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, fx.close()) }()
	if err := fx.createTables(); err != nil {
		return err
	}
	sheet := &report.Sheet{Columns: r.columns}
	fx.progress.Expect(flags.Rounds * len(r.subjects) * len(r.rates))
	for range flags.Rounds {
		for _, name := range r.subjects {
			if err := r.measure(fx, sheet, name); err != nil {
				return fmt.Errorf("measure %s: %w", name, err)
			}
		}
	}
	fx.notes.Add("%s", r.note)
	return fx.print(r.benchmark, sheet, map[string]string{
		"connections": strconv.Itoa(r.connections), "duration": r.duration.String(), "event bytes": strconv.Itoa(r.bytes),
	})
}

// measure starts one subject with its clients and makes all offers.
func (r series) measure(fx *fixture, sheet *report.Sheet, name string) error {
	s, err := fx.start(name)
	if err != nil {
		return err
	}
	defer s.stop()
	clients, err := fx.startClients(s, load.Options{Clients: r.connections})
	if err != nil {
		return err
	}
	defer clients.Stop()
	if _, err := clients.Open(fx.ctx); err != nil {
		return err
	}
	// A first offer, not measured, takes the costs that occur once.
	warmup := writes.Offer{First: fx.nextOffer(), Rate: float64(min(r.rates[0], 50)), Duration: min(time.Second, r.duration), Bytes: r.bytes}
	if _, err := fx.deliver(s, clients, warmup); err != nil {
		return err
	}
	for _, rate := range r.rates {
		scenario := fmt.Sprintf(r.scenario, rate)
		fx.progress.Step("%s, %s", scenario, name)
		o := writes.Offer{First: fx.nextOffer(), Rate: float64(rate), Duration: r.duration, Bytes: r.bytes, Rows: r.rows}
		d, err := fx.deliver(s, clients, o)
		if err != nil {
			return err
		}
		bottleneck := d.usage.bottleneck(len(fx.serverCPUs), clients.Processes())
		fx.noteBottleneck(scenario, name, bottleneck, d.usage)
		fx.noteLosses(scenario, name, o, d)
		sheet.Put(scenario, name, bottleneck, d.figures(o))
	}
	return nil
}

// noteLosses adds notes on events that were not published or not delivered.
func (fx *fixture) noteLosses(scenario, name string, o writes.Offer, d delivery) {
	if published := float64(d.events) / o.Duration.Seconds(); published < 0.95*o.Rate && name != plainWrites {
		fx.notes.Add("%s, %s: only %.0f events/s could be published, of %.0f.", scenario, name, published, o.Rate)
	}
	if lost := int64(d.clients)*d.events - d.report.Received; lost != 0 {
		fx.notes.Add("%s, %s: %d of %d deliveries are missing; %d of %d clients are complete.", scenario, name,
			lost, int64(d.clients)*d.events, d.report.Complete, d.clients)
	}
	if d.report.Closed > 0 {
		fx.notes.Add("%s, %s: the server ended %d connections.", scenario, name, d.report.Closed)
	}
}

func (d delivery) figures(o writes.Offer) map[string]float64 {
	return map[string]float64{
		"offered_per_s":      o.Rate * float64(d.clients),
		"delivered_per_s":    d.rate(),
		"us_per_delivery":    d.cpuMicros(),
		"per_cpu_second":     1e6 / d.cpuMicros(),
		"written_per_s":      float64(d.events) / d.seconds,
		"p50_ms":             d.latency(0.5),
		"p90_ms":             d.latency(0.9),
		"p99_ms":             d.latency(0.99),
		"max_ms":             float64(d.report.Latency.Max) / 1000,
		"last_p50_ms":        d.toLast(0.5),
		"last_p99_ms":        d.toLast(0.99),
		"spread_p50_ms":      d.spread(0.5),
		"spread_p99_ms":      d.spread(0.99),
		"complete_percent":   100 * float64(d.report.Complete) / float64(d.clients),
		"bytes_per_delivery": float64(d.report.Bytes) / float64(d.report.Received),
		"server_cpus":        d.usage.server.Seconds() / d.seconds,
		"load_cpus":          d.usage.load.Seconds() / d.seconds,
		"postgres_cpus":      d.usage.postgres.Seconds() / d.seconds,
	}
}
