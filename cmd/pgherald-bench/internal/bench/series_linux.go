package bench

import (
	"errors"
	"fmt"
	"strconv"
	"time"
)

// series is a number of offers, at several rates, to one crowd.
type series struct {
	connections int
	rates       []int
	lasting     time.Duration
	bytes       int
	scenario    string // of a rate
}

// run measures the subjects in turns, on a lab with the given processors for the server, and prints
// what came of it under the name of the benchmark.
func (r series) run(app *App, flags *Flags, cpus int, subjects []string, benchmark, note string, columns []Column) (err error) {
	l, err := flags.open(app, cpus)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, l.close()) }()
	if err := l.makeTables(l.ctx); err != nil {
		return err
	}
	sheet := &sheet{columns: columns}
	l.bar.expect(flags.Rounds * len(subjects) * len(r.rates))
	for range flags.Rounds {
		for _, name := range subjects {
			if err := r.measure(l, sheet, name); err != nil {
				return fmt.Errorf("measure %s: %w", name, err)
			}
		}
	}
	l.notes.add("%s", note)
	return l.print(benchmark, sheet, map[string]string{
		"connections": strconv.Itoa(r.connections), "duration": r.lasting.String(), "event bytes": strconv.Itoa(r.bytes),
	})
}

// measure starts one subject, with its crowd, and makes all offers to it.
func (r series) measure(l *lab, sheet *sheet, name string) error {
	s, err := l.start(name)
	if err != nil {
		return err
	}
	defer s.stop()
	c, err := l.gather(s, gathering{size: r.connections})
	if err != nil {
		return err
	}
	defer c.stop()
	if _, err := c.open(l.ctx); err != nil {
		return err
	}
	// What happens only once is not measured.
	warm := offer{First: l.number(), Rate: float64(min(r.rates[0], 50)), Lasting: min(time.Second, r.lasting), Bytes: r.bytes}
	if _, err := l.deliver(s, c, warm); err != nil {
		return err
	}
	for _, rate := range r.rates {
		scenario := fmt.Sprintf(r.scenario, rate)
		l.bar.step("%s, %s", scenario, name)
		o := offer{First: l.number(), Rate: float64(rate), Lasting: r.lasting, Bytes: r.bytes}
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
		"written_per_s":      float64(d.events) / d.seconds,
		"p50_ms":             d.latency(0.5),
		"p90_ms":             d.latency(0.9),
		"p99_ms":             d.latency(0.99),
		"max_ms":             float64(d.report.Latency.Max) / 1000,
		"spread_p50_ms":      d.spread(0.5),
		"spread_p99_ms":      d.spread(0.99),
		"complete_percent":   100 * float64(d.report.Complete) / float64(d.clients),
		"bytes_per_delivery": float64(d.report.Bytes) / float64(d.report.Received),
		"server_cpus":        d.usage.server.Seconds() / d.seconds,
		"load_cpus":          d.usage.load.Seconds() / d.seconds,
		"postgres_cpus":      d.usage.postgres.Seconds() / d.seconds,
	})
}
