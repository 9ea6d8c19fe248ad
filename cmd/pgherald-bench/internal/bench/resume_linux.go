package bench

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// Resume measures what it costs when all clients come back at once.
type Resume struct {
	Flags
	Storms     []storm  `default:"10000x20,1000x200" help:"CLIENTSxEVENTS, one measurement each: so many clients come back after a restart, and each missed so many events."`
	EventBytes int      `default:"300" help:"Size of an event on the wire."`
	ServerCPUs int      `name:"server-cpus" default:"1" help:"Processors that the server has for itself; 0: it shares all."`
	Subjects   []string `default:"listen,connect,pgherald" help:"What is measured: pgherald; connect: the same server, and clients that missed nothing; listen: a hand-written net/http server, whose clients have lost what they missed."`
}

// connects names pgherald when it is only connected to.
const connects = "connect"

// storm is how many come back, and how much each of them missed.
type storm struct{ clients, events int }

// UnmarshalText reads CLIENTSxEVENTS.
func (s *storm) UnmarshalText(text []byte) error {
	clients, events, _ := strings.Cut(string(text), "x")
	var errs [2]error
	s.clients, errs[0] = strconv.Atoi(clients)
	s.events, errs[1] = strconv.Atoi(events)
	if errors.Join(errs[:]...) != nil || s.clients < 1 || s.clients > 1_000_000 || s.events < 1 || s.events > 100_000 {
		return fmt.Errorf("read %q: a storm is CLIENTSxEVENTS, as 10000x20, at most 1000000x100000", text)
	}
	return nil
}

// Validate is called by kong.
func (r *Resume) Validate() error {
	return errors.Join(checkOffers(1, []int{1}, r.EventBytes), checkSubjects(r.Subjects, ours, connects, listenLoops))
}

var resumeColumns = []Column{
	{Key: "seconds", Title: "seconds until all have all", Ratio: true},
	{Key: "cpu_us_per_client", Title: "CPU µs per client", Ratio: true},
	{Key: "sent_again", Title: "events sent again"},
	{Key: "cpu_us_per_event", Title: "CPU µs per event"},
	{Key: "from_log", Title: "resumed from the log"},
	{Key: "transactions", Title: "Postgres transactions"},
	{Key: "rss_mb", Title: "RSS MB"},
	{Key: "complete_percent", Title: "complete %"},
	{Key: "load_cpus", Title: "CPUs: load"},
}

// Run measures, in turns.
func (r *Resume) Run(app *App) (err error) {
	l, err := r.open(app, r.ServerCPUs)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, l.close()) }()
	if err := l.makeTables(l.ctx); err != nil {
		return err
	}
	sheet := &sheet{columns: resumeColumns}
	l.bar.expect(r.Rounds * len(r.Subjects) * len(r.Storms))
	for range r.Rounds {
		for _, storm := range r.Storms {
			for _, name := range r.Subjects {
				if err := r.measure(l, sheet, name, storm); err != nil {
					return fmt.Errorf("measure %s: %w", name, err)
				}
			}
		}
	}
	l.notes.add("Time and CPU time begin with the first connect and end when the last client has all that it missed, or the first event if it missed nothing. connect is the same server with the same log; its clients ask for nothing that is past.")
	l.notes.add("Postgres transactions are all those of the server, from its start to its end: its migrations, triggers and the read each second are among them. Resumed from the log: clients for whom memory did not reach back.")
	return l.print("resume", sheet, map[string]string{"event bytes": strconv.Itoa(r.EventBytes)})
}

// measure has a server restarted, and everybody come at once.
func (r *Resume) measure(l *lab, sheet *sheet, name string, storm storm) error {
	scenario := fmt.Sprintf("%d clients, %d events missed", storm.clients, storm.events)
	l.bar.step("%s, %s", scenario, name)
	if name == listenLoops {
		s, err := l.startListenLoop("naive")
		if err != nil {
			return err
		}
		defer s.stop()
		return r.rush(l, s, storm, gathering{size: storm.clients}, missed{}, func(values map[string]float64, bottleneck string) {
			sheet.put(scenario, name, bottleneck, values)
		})
	}
	m, err := r.miss(l, storm)
	if err != nil {
		return err
	}
	g := gathering{size: storm.clients, header: "Last-Event-ID: " + m.cursor + "\r\n"}
	if name == connects {
		g.header, m.events = "", 0
	}
	before, err := l.transactions()
	if err != nil {
		return err
	}
	s, err := l.startServer()
	if err != nil {
		return err
	}
	defer s.stop() // a second time does nothing
	return r.rush(l, s, storm, g, m, func(values map[string]float64, bottleneck string) {
		s.stop()
		if after, err := l.transactions(); err == nil {
			values["transactions"] = float64(after - before)
		}
		sheet.put(scenario, name, bottleneck, values)
	})
}

// missed is what clients missed: what they have seen, and what came then.
type missed struct {
	cursor string
	first  int64
	events int64
}

// miss runs a server until it has said where its stream is, and publishes events while nobody serves.
func (r *Resume) miss(l *lab, storm storm) (m missed, err error) {
	s, err := l.startServer()
	if err != nil {
		return m, err
	}
	m.cursor, err = s.cursor(l.ctx)
	s.stop()
	if err != nil {
		return m, err
	}
	o := offer{First: l.number(), Rate: 1e6, Bytes: r.EventBytes, Lasting: time.Minute, Most: storm.events}
	p, err := s.publish(l.ctx, o)
	if err == nil && p.Last-o.First+1 != int64(storm.events) {
		err = fmt.Errorf("publish %d events: only %d could be in a minute and a half", storm.events, p.Last-o.First+1)
	}
	m.first, m.events = o.First, int64(storm.events)
	return m, err
}

// rush opens all connections, and waits until all have what they missed.
func (r *Resume) rush(l *lab, s *subject, storm storm, g gathering, m missed, put func(map[string]float64, string)) error {
	c, err := l.gather(s, g)
	if err != nil {
		return err
	}
	defer c.stop()
	ctx, cancel := context.WithTimeout(l.ctx, openTimeout+time.Minute)
	defer cancel()
	if err := c.mark(ctx, m.first); err != nil {
		return err
	}
	before, _, err := l.gauge(s, c)
	if err != nil {
		return err
	}
	opened, err := c.open(ctx)
	if err != nil {
		return err
	}
	if err := c.await(ctx, m.events*int64(c.size), lossPatience); err != nil && !errors.Is(err, errLost) {
		return err
	}
	after, _, err := l.gauge(s, c)
	if err != nil {
		return err
	}
	report, err := c.report(ctx, m.first, m.first+m.events-1)
	if err != nil {
		return err
	}
	u := after.since(before)
	u.elapsed = time.Duration(max(opened.ReadyAt, report.ArrivedAt)-opened.OpenedAt) * time.Microsecond
	if report.Closed > 0 {
		l.notes.add("%d clients, %s: the server ended %d connections.", storm.clients, s.name, report.Closed)
	}
	put(r.figures(l, s, u, report, c.size, m), u.bottleneck(len(l.serverCPUs), len(c.procs)))
	return nil
}

func (r *Resume) figures(l *lab, s *subject, u usage, report loadReport, clients int, m missed) map[string]float64 {
	values := map[string]float64{
		"seconds":           u.elapsed.Seconds(),
		"cpu_us_per_client": float64(u.server.Microseconds()) / float64(clients),
		"load_cpus":         u.load.Seconds() / max(u.elapsed.Seconds(), 1e-6),
	}
	if rss, _, err := rssOf(s.process.pid()); err == nil {
		values["rss_mb"] = float64(rss) / (1 << 20)
	}
	if m.events > 0 {
		values["sent_again"] = float64(report.Received)
		values["cpu_us_per_event"] = float64(u.server.Microseconds()) / float64(report.Received)
		values["complete_percent"] = 100 * float64(report.Complete) / float64(clients)
	}
	if s.name == ours {
		if stats, err := s.stats(l.ctx); err == nil {
			values["from_log"] = float64(stats.Feed.CatchUps)
		}
	}
	return values
}
