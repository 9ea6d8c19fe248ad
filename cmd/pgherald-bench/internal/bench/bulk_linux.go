package bench

import (
	"context"
	"errors"
	"fmt"
	"math"
	"strconv"
	"time"

	"github.com/pgherald/pgherald/cmd/pgherald-bench/internal/load"
	"github.com/pgherald/pgherald/cmd/pgherald-bench/internal/process"
	"github.com/pgherald/pgherald/cmd/pgherald-bench/internal/report"
)

// Bulk measures one statement that changes many rows.
type Bulk struct {
	Flags
	Rows        int      `default:"100000" help:"Activities that the UPDATE changes."`
	Connections int      `default:"100" help:"Clients, each of which is to receive every change."`
	ServerCPUs  int      `name:"server-cpus" default:"0" help:"Processors that are reserved for the server; 0: it shares all."`
	Subjects    []string `default:"none,naive,row,log,pgherald" help:"Triggers to measure. naive: pg_notify(row_to_json(new)), and a hand-written server that listens. row: the least that logs each row. log: pgherald's without the NOTIFY, so that the server finds the events when it reads the log, once a second."`
}

// Validate reports values out of range and unknown subjects.
func (b *Bulk) Validate() error {
	switch {
	case b.Rows < 1 || b.Rows > load.MaxEvents:
		return fmt.Errorf("--rows must be from 1 to %d", load.MaxEvents)
	case b.Connections < 1 || b.Connections > 10_000:
		return errors.New("--connections must be from 1 to 10000")
	}
	return checkSubjects(b.Subjects, ours, noTriggers, naiveTrigger, smallest, logOnly)
}

var bulkColumns = []report.Column{
	{Key: "statement_s", Title: "statement s", Ratio: true},
	{Key: "all_s", Title: "all delivered s", Ratio: true},
	{Key: "delivered_per_s", Title: "delivered/s"},
	{Key: "peak_mb", Title: "server's peak MB"},
	{Key: "empty_mb", Title: "when empty"},
	{Key: "feed_mb", Title: "feed's limit MB"},
	{Key: "complete_percent", Title: "complete %"},
	{Key: "server_cpu_s", Title: "CPU s: server"},
	{Key: "load_cpu_s", Title: "load"},
	{Key: "postgres_cpu_s", Title: "Postgres"},
}

// Run measures all subjects and prints the report.
func (b *Bulk) Run(app *App) (err error) {
	b.settings = writerSettings
	fx, err := b.open(app, b.ServerCPUs)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, fx.close()) }()
	a, err := fx.createActivities(b.Rows)
	if err != nil {
		return err
	}
	sheet := &report.Sheet{Columns: bulkColumns}
	fx.progress.Expect(b.Rounds * len(b.Subjects))
	for range b.Rounds {
		for _, variant := range b.Subjects {
			fx.progress.Step("%d rows, %s", b.Rows, variant)
			if err := b.measure(fx, a, sheet, variant); err != nil {
				return fmt.Errorf("measure %s: %w", variant, err)
			}
		}
	}
	fx.notes.Add("All delivered: from the start of the statement until the last client has received its last event. The peak is the server's RSS, including that of an empty server; the clients run in a process of their own.")
	if err := fx.noteDurability(); err != nil {
		return err
	}
	return fx.print("bulk", sheet, map[string]string{"connections": strconv.Itoa(b.Connections)})
}

// measure starts a server with its clients, installs the variant and runs the statement.
func (b *Bulk) measure(fx *fixture, a *activities, sheet *report.Sheet, variant string) error {
	if err := a.use(ours); err != nil {
		return err
	}
	start := func() (*subject, error) { return fx.serve() }
	if variant == naiveTrigger {
		start = func() (*subject, error) { return fx.startListenLoop(naiveChannel) }
	}
	s, err := start()
	if err != nil {
		return err
	}
	defer s.stop()
	clients, err := fx.startClients(s, load.Options{Clients: b.Connections, KeyN: `"reporter":"r`})
	if err != nil {
		return err
	}
	defer clients.Stop()
	if _, err := clients.Open(fx.ctx); err != nil {
		return err
	}
	if err := errors.Join(a.use(variant), a.vacuum(), clients.Mark(fx.ctx, 1)); err != nil {
		return err
	}
	d, err := b.update(fx, s, clients, variant)
	if err != nil {
		return err
	}
	sheet.Put(fmt.Sprintf("%d rows", b.Rows), variant, d.bottleneck(len(fx.serverCPUs), clients.Processes()), b.figures(s, variant, d))
	return nil
}

// bulkDelivery is the result of the statement.
type bulkDelivery struct {
	usage
	statement   time.Duration
	empty, peak int64 // the server's memory in bytes: before the statement, and its maximum
	report      load.Report
	feedLimit   int64 // bytes
}

// update runs the statement, and waits until every client has received its events.
func (b *Bulk) update(fx *fixture, s *subject, clients *load.Group, variant string) (d bulkDelivery, err error) {
	ctx, cancel := context.WithTimeout(fx.ctx, 10*time.Minute)
	defer cancel()
	process.ResetPeak(s.process.PID())
	if d.empty, _, err = process.Memory(s.process.PID()); err != nil {
		return d, err
	}
	before, began, err := fx.cpuTimes(s, clients)
	if err != nil {
		return d, err
	}
	if _, err := fx.conn.Exec(ctx, `update public.activities set location = 'room ' || $1::text`, strconv.FormatInt(began.UnixMicro(), 10)); err != nil {
		return d, fmt.Errorf("update the activities: %w", err)
	}
	d.statement = time.Since(began)
	if variant != noTriggers {
		err := clients.Await(ctx, int64(b.Rows)*int64(b.Connections), 2*fx.flags.Patience)
		if err != nil && !errors.Is(err, load.ErrLost) {
			return d, err
		}
	}
	after, ended, err := fx.cpuTimes(s, clients)
	if err != nil {
		return d, err
	}
	if d.report, err = clients.Report(ctx, 1, int64(b.Rows)); err != nil {
		return d, err
	}
	if d.report.ArrivedAt > 0 {
		ended = time.UnixMicro(d.report.ArrivedAt)
	}
	d.usage = after.since(before)
	d.elapsed = ended.Sub(began)
	if s.name == ours {
		stats, err := s.stats(ctx)
		if err != nil {
			return d, err
		}
		d.feedLimit = stats.Feed.Limit
	}
	_, d.peak, err = process.Memory(s.process.PID())
	return d, err
}

func (b *Bulk) figures(s *subject, variant string, d bulkDelivery) map[string]float64 {
	const mb = 1 << 20
	values := map[string]float64{
		"statement_s":    d.statement.Seconds(),
		"server_cpu_s":   d.server.Seconds(),
		"load_cpu_s":     d.load.Seconds(),
		"postgres_cpu_s": d.postgres.Seconds(),
	}
	if variant == noTriggers {
		return values
	}
	values["peak_mb"], values["empty_mb"] = float64(d.peak)/mb, float64(d.empty)/mb
	values["complete_percent"] = 100 * float64(d.report.Complete) / float64(b.Connections)
	values["delivered_per_s"] = float64(d.report.Received) / d.elapsed.Seconds()
	values["all_s"] = math.NaN()
	if d.report.Complete == b.Connections {
		values["all_s"] = d.elapsed.Seconds()
	}
	if s.name == ours {
		values["feed_mb"] = float64(d.feedLimit) / mb
	}
	return values
}
