package bench

import (
	"context"
	"errors"
	"fmt"
	"math"
	"os"
	"strconv"
	"time"
)

// Bulk measures one statement that changes many rows.
type Bulk struct {
	Flags
	Rows        int      `default:"100000" help:"Activities that the UPDATE changes."`
	Connections int      `default:"100" help:"Clients that are to get each change."`
	ServerCPUs  int      `name:"server-cpus" default:"0" help:"Processors that the server has for itself; 0: it shares all."`
	Subjects    []string `default:"none,naive,log,pgherald" help:"Triggers: pgherald; none; naive: pg_notify(row_to_json(new)), and a hand-written server that listens; log: pgherald's without the NOTIFY, so that the server learns of it at its read of each second."`
}

// Validate is called by kong.
func (b *Bulk) Validate() error {
	switch {
	case b.Rows < 1 || b.Rows > maxEvents:
		return fmt.Errorf("--rows must be from 1 to %d", maxEvents)
	case b.Connections < 1 || b.Connections > 10_000:
		return errors.New("--connections must be from 1 to 10000")
	}
	return checkSubjects(b.Subjects, ours, noTriggers, naiveTrigger, logOnly)
}

var bulkColumns = []Column{
	{Key: "statement_s", Title: "statement s", Ratio: true},
	{Key: "all_s", Title: "all have all s", Ratio: true},
	{Key: "delivered_per_s", Title: "delivered/s"},
	{Key: "peak_mb", Title: "server's peak MB"},
	{Key: "empty_mb", Title: "when empty"},
	{Key: "feed_mb", Title: "feed's limit MB"},
	{Key: "complete_percent", Title: "complete %"},
	{Key: "server_cpu_s", Title: "CPU s: server"},
	{Key: "load_cpu_s", Title: "load"},
	{Key: "postgres_cpu_s", Title: "Postgres"},
}

// Run measures, in turns.
func (b *Bulk) Run(app *App) (err error) {
	b.settings = writerSettings
	l, err := b.open(app, b.ServerCPUs)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, l.close()) }()
	a, err := l.openActivities(b.Rows)
	if err != nil {
		return err
	}
	sheet := &sheet{columns: bulkColumns}
	l.bar.expect(b.Rounds * len(b.Subjects))
	for range b.Rounds {
		for _, variant := range b.Subjects {
			l.bar.step("%d rows, %s", b.Rows, variant)
			if err := b.measure(l, a, sheet, variant); err != nil {
				return fmt.Errorf("measure %s: %w", variant, err)
			}
		}
	}
	l.notes.add("All have all: from the beginning of the statement until the last client has the last of its events. The peak is the server's RSS, what it has when empty included; the clients run in a process of their own.")
	if err := l.durability(); err != nil {
		return err
	}
	return l.print("bulk", sheet, map[string]string{"connections": strconv.Itoa(b.Connections)})
}

// measure starts a server with its crowd, puts the variant in place and makes the statement.
func (b *Bulk) measure(l *lab, a *activities, sheet *sheet, variant string) error {
	if err := a.use(ours); err != nil {
		return err
	}
	start := func() (*subject, error) { return l.serve() }
	if variant == naiveTrigger {
		start = func() (*subject, error) { return l.startListenLoop("naive") }
	}
	s, err := start()
	if err != nil {
		return err
	}
	defer s.stop()
	c, err := l.gather(s, gathering{size: b.Connections, keyN: `"reporter":"r`})
	if err != nil {
		return err
	}
	defer c.stop()
	if _, err := c.open(l.ctx); err != nil {
		return err
	}
	if err := errors.Join(a.use(variant), a.tidy(), c.mark(l.ctx, 1)); err != nil {
		return err
	}
	d, err := b.update(l, s, c, variant)
	if err != nil {
		return err
	}
	sheet.put(fmt.Sprintf("%d rows", b.Rows), variant, d.bottleneck(len(l.serverCPUs), len(c.procs)), b.figures(s, variant, d))
	return nil
}

// bulkDelivery is what came of the statement.
type bulkDelivery struct {
	usage
	statement   time.Duration
	empty, peak int64 // the server's memory
	report      loadReport
	limit       int64 // of the feed
}

// update makes the statement and waits until everybody has what comes of it.
func (b *Bulk) update(l *lab, s *subject, c *crowd, variant string) (d bulkDelivery, err error) {
	ctx, cancel := context.WithTimeout(l.ctx, 10*time.Minute)
	defer cancel()
	forgetPeak(s.process.pid())
	if d.empty, _, err = rssOf(s.process.pid()); err != nil {
		return d, err
	}
	before, began, err := l.gauge(s, c)
	if err != nil {
		return d, err
	}
	if _, err := l.conn.Exec(ctx, `update public.activities set location = 'room ' || $1::text`, strconv.FormatInt(began.UnixMicro(), 10)); err != nil {
		return d, fmt.Errorf("update the activities: %w", err)
	}
	d.statement = time.Since(began)
	if variant != noTriggers {
		err := c.await(ctx, int64(b.Rows)*int64(c.size), 2*lossPatience)
		if err != nil && !errors.Is(err, errLost) {
			return d, err
		}
	}
	after, ended, err := l.gauge(s, c)
	if err != nil {
		return d, err
	}
	if d.report, err = c.report(ctx, 1, int64(b.Rows)); err != nil {
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
		d.limit = stats.Feed.Limit
	}
	_, d.peak, err = rssOf(s.process.pid())
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
		values["feed_mb"] = float64(d.limit) / mb
	}
	return values
}

// forgetPeak has the kernel begin anew with the most memory that a process had (proc(5), clear_refs).
// It is a help: without it the peak is at most higher.
func forgetPeak(pid int) { _ = os.WriteFile(fmt.Sprintf("/proc/%d/clear_refs", pid), []byte("5"), 0) }
