package bench

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/pgherald/pgherald/cmd/pgherald-bench/internal/load"
	"github.com/pgherald/pgherald/cmd/pgherald-bench/internal/process"
	"github.com/pgherald/pgherald/cmd/pgherald-bench/internal/report"
	"github.com/pgherald/pgherald/cmd/pgherald-bench/internal/writes"
)

// Resume measures a restart after which all clients reconnect at once.
type Resume struct {
	Flags
	Storms     []storm  `default:"10000x20,1000x200" help:"CLIENTSxEVENTS, one measurement each: the number of clients that reconnect after a restart, and of events that each of them missed."`
	EventBytes int      `default:"300" help:"Size of an event on the wire."`
	ServerCPUs int      `name:"server-cpus" default:"1" help:"Processors that are reserved for the server; 0: it shares all."`
	Subjects   []string `default:"listen,connect,pgherald" help:"Servers to measure. connect: pgherald with clients that missed nothing. listen: a hand-written net/http server, whose clients have lost the events that they missed."`
}

// connects names pgherald with clients that missed nothing.
const connects = "connect"

// storm is a number of clients that reconnect, and of events that each of them missed.
type storm struct{ clients, events int }

// UnmarshalText parses CLIENTSxEVENTS.
func (s *storm) UnmarshalText(text []byte) error {
	clients, events, _ := strings.Cut(string(text), "x")
	var errs [2]error
	s.clients, errs[0] = strconv.Atoi(clients)
	s.events, errs[1] = strconv.Atoi(events)
	if errors.Join(errs[:]...) != nil || s.clients < 1 || s.clients > 1_000_000 || s.events < 1 || s.events > 100_000 {
		return fmt.Errorf("parse %q: give CLIENTSxEVENTS, like 10000x20, at most 1000000x100000", text)
	}
	return nil
}

// Validate reports values out of range and unknown subjects.
func (r *Resume) Validate() error {
	return errors.Join(checkOffers(1, []int{1}, r.EventBytes), checkSubjects(r.Subjects, ours, connects, listenLoops))
}

var resumeColumns = []report.Column{
	{Key: "seconds", Title: "all delivered s", Ratio: true},
	{Key: "cpu_us_per_client", Title: "CPU µs per client", Ratio: true},
	{Key: "sent_again", Title: "events sent again"},
	{Key: "cpu_us_per_event", Title: "CPU µs per event"},
	{Key: "from_log", Title: "resumed from the log"},
	{Key: "transactions", Title: "Postgres transactions"},
	{Key: "rss_mb", Title: "RSS MB"},
	{Key: "complete_percent", Title: "complete %"},
	{Key: "load_cpus", Title: "CPUs: load"},
}

// Run measures all subjects and prints the report.
func (r *Resume) Run(app *App) (err error) {
	fx, err := r.open(app, r.ServerCPUs)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, fx.close()) }()
	if err := fx.createTables(); err != nil {
		return err
	}
	sheet := &report.Sheet{Columns: resumeColumns}
	fx.progress.Expect(r.Rounds * len(r.Subjects) * len(r.Storms))
	for range r.Rounds {
		for _, storm := range r.Storms {
			for _, name := range r.Subjects {
				if err := r.measure(fx, sheet, name, storm); err != nil {
					return fmt.Errorf("measure %s: %w", name, err)
				}
			}
		}
	}
	fx.notes.Add("Time and CPU time are from the first connect until the last client has received every event that it missed, or its first event if it missed none. connect is the same server with the same log; its clients send no cursor.")
	fx.notes.Add("Postgres transactions are all those of the server from its start to its end, including its migrations, its triggers and its read of the log each second. Resumed from the log: clients whose events the feed no longer held.")
	return fx.print("resume", sheet, map[string]string{"event bytes": strconv.Itoa(r.EventBytes)})
}

// measure restarts a server and lets all clients connect at once.
func (r *Resume) measure(fx *fixture, sheet *report.Sheet, name string, storm storm) error {
	scenario := fmt.Sprintf("%d clients, %d events missed", storm.clients, storm.events)
	fx.progress.Step("%s, %s", scenario, name)
	if name == listenLoops {
		s, err := fx.startListenLoop(naiveChannel)
		if err != nil {
			return err
		}
		defer s.stop()
		values, bottleneck, err := r.reconnect(fx, s, load.Options{Clients: storm.clients}, missed{})
		if err == nil {
			sheet.Put(scenario, name, bottleneck, values)
		}
		return err
	}
	m, err := r.miss(fx, storm)
	if err != nil {
		return err
	}
	o := load.Options{Clients: storm.clients, Header: "Last-Event-ID: " + m.cursor + "\r\n"}
	if name == connects {
		o.Header, m.events = "", 0
	}
	before, err := fx.transactions()
	if err != nil {
		return err
	}
	s, err := fx.startServer()
	if err != nil {
		return err
	}
	defer s.stop()
	values, bottleneck, err := r.reconnect(fx, s, o, m)
	if err != nil {
		return err
	}
	s.stop() // its transactions are counted when its backends have ended
	if after, err := fx.transactions(); err == nil {
		values["transactions"] = float64(after - before)
	}
	sheet.Put(scenario, name, bottleneck, values)
	return nil
}

// missed holds the events that clients missed: those after a cursor.
type missed struct {
	cursor string
	first  int64 // number of the first event
	events int64
}

// miss takes a cursor from a server, stops the server and publishes the events of a storm.
func (r *Resume) miss(fx *fixture, storm storm) (m missed, err error) {
	s, err := fx.startServer()
	if err != nil {
		return m, err
	}
	m.cursor, err = s.cursor(fx.ctx)
	s.stop()
	if err != nil {
		return m, err
	}
	o := writes.Offer{First: fx.nextOffer(), Rate: 1e6, Bytes: r.EventBytes, Duration: time.Minute, Max: storm.events}
	p, err := s.publish(fx.ctx, o)
	if err == nil && p.Last-o.First+1 != int64(storm.events) {
		err = fmt.Errorf("publish %d events: Postgres took only %d in 90 s", storm.events, p.Last-o.First+1)
	}
	m.first, m.events = o.First, int64(storm.events)
	return m, err
}

// reconnect opens all connections, waits until each client has received the events that it missed, and ends
// the clients. It returns the figures and the bottleneck.
func (r *Resume) reconnect(fx *fixture, s *subject, o load.Options, m missed) (values map[string]float64, bottleneck string, err error) {
	clients, err := fx.startClients(s, o)
	if err != nil {
		return nil, "", err
	}
	defer clients.Stop()
	ctx, cancel := context.WithTimeout(fx.ctx, load.OpenTimeout+time.Minute+2*fx.flags.Patience)
	defer cancel()
	if err := clients.Mark(ctx, m.first); err != nil {
		return nil, "", err
	}
	before, _, err := fx.cpuTimes(s, clients)
	if err != nil {
		return nil, "", err
	}
	opened, err := clients.Open(ctx)
	if err != nil {
		return nil, "", err
	}
	if err := clients.Await(ctx, m.events*int64(o.Clients), fx.flags.Patience); err != nil && !errors.Is(err, load.ErrLost) {
		return nil, "", err
	}
	after, _, err := fx.cpuTimes(s, clients)
	if err != nil {
		return nil, "", err
	}
	delivered, err := clients.Report(ctx, m.first, m.first+m.events-1)
	if err != nil {
		return nil, "", err
	}
	u := after.since(before)
	u.elapsed = time.Duration(max(opened.ReadyAt, delivered.ArrivedAt)-opened.OpenedAt) * time.Microsecond
	if delivered.Closed > 0 {
		fx.notes.Add("%d clients, %s: the server ended %d connections.", o.Clients, s.name, delivered.Closed)
	}
	return r.figures(fx, s, u, delivered, o.Clients, m), u.bottleneck(len(fx.serverCPUs), clients.Processes()), nil
}

func (r *Resume) figures(fx *fixture, s *subject, u usage, delivered load.Report, clients int, m missed) map[string]float64 {
	values := map[string]float64{
		"seconds":           u.elapsed.Seconds(),
		"cpu_us_per_client": float64(u.server.Microseconds()) / float64(clients),
		"load_cpus":         u.load.Seconds() / max(u.elapsed.Seconds(), 1e-6),
	}
	if rss, _, err := process.Memory(s.process.PID()); err == nil {
		values["rss_mb"] = float64(rss) / (1 << 20)
	}
	if m.events > 0 {
		values["sent_again"] = float64(delivered.Received)
		values["cpu_us_per_event"] = float64(u.server.Microseconds()) / float64(delivered.Received)
		values["complete_percent"] = 100 * float64(delivered.Complete) / float64(clients)
	}
	if s.name == ours {
		if stats, err := s.stats(fx.ctx); err == nil {
			values["from_log"] = float64(stats.Feed.CatchUps)
		}
	}
	return values
}
