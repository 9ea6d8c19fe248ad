package bench

import (
	"context"
	"errors"
	"math"
	"os"
	"time"
)

// lossPatience is how long nothing may arrive before what is missing counts as lost.
const lossPatience = 2 * time.Second

// usage is who used how much of the processors between two moments.
type usage struct {
	elapsed, server, postgres, load, publisher time.Duration
	total, idle                                time.Duration // of the machine
}

// gauge reads everybody's CPU time.
func (l *lab) gauge(s *subject, c *crowd) (u usage, began time.Time, err error) {
	if s != nil {
		if u.server, err = s.cpu(); err != nil {
			return u, began, s.process.failure("measured", err)
		}
	}
	if c != nil {
		u.load = c.cpu()
	}
	u.postgres = l.pg.cpu()
	u.publisher, _ = cpuOf(os.Getpid()) // we are alive
	u.total, u.idle = machineCPU()
	return u, time.Now(), nil
}

func (u usage) since(before usage) usage {
	return usage{
		server: u.server - before.server, postgres: u.postgres - before.postgres, load: u.load - before.load,
		publisher: u.publisher - before.publisher, total: u.total - before.total, idle: u.idle - before.idle,
	}
}

// delivery is what came of one offer to one subject.
type delivery struct {
	usage    usage
	clients  int
	events   int64 // that were published
	seconds  float64
	report   loadReport
	complete bool
}

func (d delivery) rate() float64 { return float64(d.report.Received) / d.seconds }

func (d delivery) microsEach() float64 {
	return float64(d.usage.server.Microseconds()) / float64(d.report.Received)
}

// latency is in milliseconds.
func (d delivery) latency(q float64) float64 { return d.report.Latency.quantile(q) / 1000 }

// spread is the time between the first and the last client of an event, in milliseconds.
func (d delivery) spread(q float64) float64 {
	var spreads []float64
	for i, first := range d.report.First {
		if first > 0 {
			spreads = append(spreads, float64(d.report.Last[i]-first)/1000)
		}
	}
	return quantileOf(spreads, q)
}

// deliver makes an offer to a subject whose crowd is there, and waits until all is delivered or
// nothing more comes.
func (l *lab) deliver(s *subject, c *crowd, o offer) (d delivery, err error) {
	ctx, cancel := context.WithTimeout(l.ctx, 4*o.Lasting+time.Minute)
	defer cancel()
	if err := c.mark(ctx, o.First); err != nil {
		return d, err
	}
	before, began, err := l.gauge(s, c)
	if err != nil {
		return d, err
	}
	p, err := s.publish(ctx, o)
	if err != nil {
		return d, err
	}
	d.events, d.clients = p.Last-o.First+1, c.size
	err = c.await(ctx, d.events*int64(c.size), lossPatience)
	if err != nil && !errors.Is(err, errLost) {
		return d, err
	}
	after, _, err := l.gauge(s, c)
	if err != nil {
		return d, err
	}
	if d.report, err = c.report(ctx, o.First, p.Last); err != nil {
		return d, err
	}
	d.usage = after.since(before)
	d.usage.elapsed = time.UnixMicro(d.report.ArrivedAt).Sub(began)
	d.seconds = math.Max(d.usage.elapsed.Seconds(), 1e-6)
	d.complete = d.report.Complete == c.size
	return d, nil
}
