package bench

import (
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/pgherald/pgherald/cmd/pgherald-bench/internal/load"
	"github.com/pgherald/pgherald/cmd/pgherald-bench/internal/report"
	"github.com/pgherald/pgherald/cmd/pgherald-bench/internal/writes"
)

// Size measures whether the log stays as large, and reads of it as fast, while it is written and pruned.
type Size struct {
	Flags
	Rate        int           `default:"2000" help:"Writes per second."`
	Windows     int           `default:"6" help:"Number of measurements, one after the other."`
	Window      time.Duration `default:"1m" help:"Duration of each."`
	RetainAge   time.Duration `default:"1m" help:"Age above which the server prunes events. It does so once a minute."`
	Fill        int           `default:"0" help:"Events that are in the log before the server starts. Give a --retain-age that keeps them."`
	Connections int           `default:"10" help:"Clients."`
	EventBytes  int           `default:"300" help:"Size of an event on the wire."`
}

// Validate reports values out of range.
func (s *Size) Validate() error {
	switch {
	case s.Windows < 1 || s.Windows > 1000:
		return errors.New("--windows must be from 1 to 1000")
	case s.Window < 100*time.Millisecond || s.Window > time.Hour || float64(s.Rate)*s.Window.Seconds() >= load.MaxEvents:
		return fmt.Errorf("--window must be from 100ms to 1h, with fewer than %d events", load.MaxEvents)
	case s.RetainAge < time.Second:
		return errors.New("--retain-age must be at least 1s")
	case s.Fill < 0 || s.Fill > 1_000_000_000:
		return errors.New("--fill must be from 0 to 1000000000")
	}
	return checkOffers(s.Connections, []int{s.Rate}, s.EventBytes)
}

var sizeColumns = []report.Column{
	{Key: "written_per_s", Title: "writes/s"},
	{Key: "p50_ms", Title: "p50 ms"},
	{Key: "p99_ms", Title: "p99 ms"},
	{Key: "live", Title: "live rows"},
	{Key: "dead", Title: "dead rows"},
	{Key: "heap_mb", Title: "heap MB"},
	{Key: "index_mb", Title: "index MB"},
	{Key: "complete_percent", Title: "complete %"},
	{Key: "server_cpus", Title: "CPUs: server"},
	{Key: "postgres_cpus", Title: "Postgres"},
}

// Run measures the windows of one server and prints the report. With several rounds it starts another server, on the same log.
func (s *Size) Run(app *App) (err error) {
	fx, err := s.open(app, 0)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, fx.close()) }()
	if err := fx.createTables(); err != nil {
		return err
	}
	sheet := &report.Sheet{Columns: sizeColumns}
	fx.progress.Expect(s.Rounds * s.Windows)
	for round := range s.Rounds {
		if err := s.measure(fx, sheet, round == 0); err != nil {
			return err
		}
	}
	fx.notes.Add("The time is from the row's insert until a client has read the event. Rows are as PostgreSQL's statistics count them, after each window.")
	return fx.print("size", sheet, map[string]string{
		"connections": strconv.Itoa(s.Connections), "window": s.Window.String(), "retain age": s.RetainAge.String(), "filled with": strconv.Itoa(s.Fill),
	})
}

// measure starts a server with its clients and makes the offers.
func (s *Size) measure(fx *fixture, sheet *report.Sheet, fill bool) error {
	server, err := fx.startServer("--retain-age=" + s.RetainAge.String())
	if err != nil {
		return err
	}
	defer func() { server.stop() }()
	if fill && s.Fill > 0 { // into the tables that the server has made
		server.stop()
		if err := fx.fillLog(s.Fill, s.EventBytes); err != nil {
			return err
		}
		again, err := fx.startServer("--retain-age=" + s.RetainAge.String())
		if err != nil {
			return err
		}
		server = again
	}
	clients, err := fx.startClients(server, load.Options{Clients: s.Connections})
	if err != nil {
		return err
	}
	defer clients.Stop()
	if _, err := clients.Open(fx.ctx); err != nil {
		return err
	}
	for n := range s.Windows {
		scenario := fmt.Sprintf("window %d of %d", n+1, s.Windows)
		fx.progress.Step("%s", scenario)
		o := writes.Offer{First: fx.nextOffer(), Rate: float64(s.Rate), Duration: s.Window, Bytes: s.EventBytes}
		d, err := fx.deliver(server, clients, o)
		if err != nil {
			return err
		}
		fx.noteLosses(scenario, server.name, o, d)
		values := d.figures(o)
		if err := fx.addLogSize(values); err != nil {
			return err
		}
		sheet.Put(scenario, server.name, d.usage.bottleneck(0, clients.Processes()), values)
	}
	return nil
}

// fillChunk is the number of events of each transaction of fillLog.
const fillChunk = 10_000

// fillLog appends events to the log, in transactions of fillChunk.
func (fx *fixture) fillLog(events, bytes int) error {
	const sql = `
		insert into pgherald.events (type, key, data)
		select 'item', i::text, json_build_object('n', i, 'pad', repeat(md5(i::text), $2::int / 32 + 1))
		from generate_series(1, $1::int) as i`
	for left := events; left > 0; left -= fillChunk {
		if _, err := fx.conn.Exec(fx.ctx, sql, min(left, fillChunk), max(0, bytes-watchedOverhead)); err != nil {
			return fmt.Errorf("fill the log: %w", err)
		}
	}
	return nil
}

// addLogSize adds figures of the log's table and its indexes.
func (fx *fixture) addLogSize(values map[string]float64) error {
	var live, dead, heap, index float64
	err := fx.conn.QueryRow(fx.ctx, `
		select
			s.n_live_tup::float8,
			s.n_dead_tup::float8,
			pg_catalog.pg_table_size(s.relid)::float8 / 1048576,
			pg_catalog.pg_indexes_size(s.relid)::float8 / 1048576
		from pg_catalog.pg_stat_user_tables as s
		where s.relid = 'pgherald.events'::regclass`).Scan(&live, &dead, &heap, &index)
	if err != nil {
		return fmt.Errorf("read the size of the log: %w", err)
	}
	values["live"], values["dead"], values["heap_mb"], values["index_mb"] = live, dead, heap, index
	return nil
}
