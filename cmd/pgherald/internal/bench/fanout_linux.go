package bench

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"
)

// Fanout measures what a delivery costs.
type Fanout struct {
	Flags
	Timing
	Connections int      `default:"1000" help:"Clients."`
	Rates       []int    `default:"20,120,600" help:"Events per second that are offered, one measurement each. Times the connections, that is the deliveries; the last is meant to be more than a server can do."`
	EventBytes  int      `default:"300" help:"Size of an event on the wire."`
	ServerCPUs  int      `name:"server-cpus" default:"1" help:"Processors that the server has for itself; 0: it shares all."`
	Subjects    []string `default:"write,listen,pgherald" help:"What is measured: pgherald; write: a plain write(2) per event and socket, the floor without batching; listen: a hand-written net/http server, a goroutine and a channel per client, the row in NOTIFY."`
	Nchan       bool     `help:"Also measure nginx with the module nchan, if it is installed."`
}

// Validate is called by kong.
func (f *Fanout) Validate() error {
	if f.Connections < 1 || f.Connections > 1_000_000 {
		return errors.New("--connections must be from 1 to 1000000")
	}
	for _, r := range f.Rates {
		if r < 1 || r > 100_000 {
			return errors.New("--rates must be from 1 to 100000")
		}
	}
	if f.EventBytes < 200 || f.EventBytes > 7000 {
		return errors.New("--event-bytes must be from 200 to 7000: a notification that holds the row cannot be larger")
	}
	return checkSubjects(f.Subjects, ours, plainWrites, listenLoops)
}

func checkSubjects(names []string, known ...string) error {
	for _, name := range names {
		if !slices.Contains(known, name) {
			return fmt.Errorf("--subjects: %s is not known, %v are", name, known)
		}
	}
	return nil
}

var deliveryColumns = []Column{
	{Key: "offered_per_s", Title: "offered/s"},
	{Key: "delivered_per_s", Title: "delivered/s", Ratio: true},
	{Key: "us_per_delivery", Title: "CPU µs each", Ratio: true},
	{Key: "per_cpu_second", Title: "per CPU s", Ratio: true},
	{Key: "p50_ms", Title: "p50 ms", Ratio: true},
	{Key: "p99_ms", Title: "p99 ms", Ratio: true},
	{Key: "spread_p50_ms", Title: "first–last p50 ms"},
	{Key: "spread_p99_ms", Title: "p99 ms"},
	{Key: "complete_percent", Title: "complete %"},
	{Key: "bytes_per_delivery", Title: "bytes"},
	{Key: "server_cpus", Title: "CPUs: server"},
	{Key: "load_cpus", Title: "load"},
	{Key: "postgres_cpus", Title: "Postgres"},
}

// Run measures, in turns.
func (f *Fanout) Run(app *App) (err error) {
	l, err := f.open(app, f.ServerCPUs)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, l.close()) }()
	if err := l.makeTables(l.ctx); err != nil {
		return err
	}
	subjects := f.Subjects
	if f.Nchan {
		subjects = append(subjects, nchan)
	}
	sheet := &sheet{columns: deliveryColumns}
	l.bar.expect(f.Rounds * len(subjects) * len(f.Rates))
	for range f.Rounds {
		for _, name := range subjects {
			if err := f.measure(l, sheet, name); err != nil {
				return fmt.Errorf("measure %s: %w", name, err)
			}
		}
	}
	l.notes.add("write makes its events up itself and leaves out those for which there is no time; the others get each one through Postgres (nchan: by HTTP).")
	return l.print("fanout", sheet, map[string]string{
		"connections": strconv.Itoa(f.Connections), "duration": f.Duration.String(), "event bytes": strconv.Itoa(f.EventBytes),
	})
}

// measure starts one subject, with its crowd, and makes all offers to it.
func (f *Fanout) measure(l *lab, sheet *sheet, name string) error {
	s, err := l.start(name)
	if err != nil {
		return err
	}
	defer s.stop()
	c, err := l.gather(s, gathering{size: f.Connections})
	if err != nil {
		return err
	}
	defer c.stop()
	if _, err := c.open(l.ctx); err != nil {
		return err
	}
	// What happens only once is not measured.
	warm := offer{First: l.number(), Rate: float64(min(f.Rates[0], 50)), Lasting: min(time.Second, f.Duration), Bytes: f.EventBytes}
	if _, err := l.deliver(s, c, warm); err != nil {
		return err
	}
	for _, rate := range f.Rates {
		scenario := fmt.Sprintf("%d events/s", rate)
		l.bar.step("%s, %s", scenario, name)
		o := offer{First: l.number(), Rate: float64(rate), Lasting: f.Duration, Bytes: f.EventBytes}
		d, err := l.deliver(s, c, o)
		if err != nil {
			return err
		}
		l.record(sheet, scenario, s, c, o, d)
	}
	return nil
}

// number is where the numbers of a new offer begin, so that its events are told from earlier ones.
func (l *lab) number() int64 {
	l.offers++
	return l.offers * 10_000_000
}

// record puts a delivery into the sheet.
func (l *lab) record(sheet *sheet, scenario string, s *subject, c *crowd, o offer, d delivery) {
	bottleneck := d.usage.bottleneck(len(l.serverCPUs), len(c.procs))
	l.notes.explain(scenario, s.name, bottleneck, d.usage)
	if published := float64(d.events) / o.Lasting.Seconds(); published < 0.95*o.Rate && s.name != plainWrites {
		l.notes.add("%s, %s: only %.0f events/s could be published, of %.0f.", scenario, s.name, published, o.Rate)
	}
	if lost := int64(d.clients)*d.events - d.report.Received; lost != 0 {
		l.notes.add("%s, %s: %d of %d deliveries are missing; %d of %d clients got everything.", scenario, s.name,
			lost, int64(d.clients)*d.events, d.report.Complete, d.clients)
	}
	if d.report.Closed > 0 {
		l.notes.add("%s, %s: the server ended %d connections.", scenario, s.name, d.report.Closed)
	}
	sheet.put(scenario, s.name, bottleneck, map[string]float64{
		"offered_per_s":      o.Rate * float64(d.clients),
		"delivered_per_s":    d.rate(),
		"us_per_delivery":    d.microsEach(),
		"per_cpu_second":     1e6 / d.microsEach(),
		"p50_ms":             d.latency(0.5),
		"p99_ms":             d.latency(0.99),
		"spread_p50_ms":      d.spread(0.5),
		"spread_p99_ms":      d.spread(0.99),
		"complete_percent":   100 * float64(d.report.Complete) / float64(d.clients),
		"bytes_per_delivery": float64(d.report.Bytes) / float64(d.report.Received),
		"server_cpus":        d.usage.server.Seconds() / d.seconds,
		"load_cpus":          d.usage.load.Seconds() / d.seconds,
		"postgres_cpus":      d.usage.postgres.Seconds() / d.seconds,
	})
}
