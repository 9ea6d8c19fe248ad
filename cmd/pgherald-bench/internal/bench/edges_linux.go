package bench

import (
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/pgherald/pgherald/cmd/pgherald-bench/internal/process"
	"github.com/pgherald/pgherald/cmd/pgherald-bench/internal/report"
	"github.com/pgherald/pgherald/cmd/pgherald-bench/internal/writes"
)

// Edges measures how fast a relay copies a log that is there, and what servers cost PostgreSQL, with a database each and without.
type Edges struct {
	Flags
	Timing
	Servers    []int `default:"1,10,50" help:"Numbers of servers: replicas, and then edges of one relay."`
	Rate       int   `default:"100" help:"Writes per second meanwhile."`
	Fill       int   `default:"500000" help:"Events that are in the log before the relay starts; 0: do not measure that."`
	Rows       int   `default:"10" help:"Events of each transaction that is in the log before."`
	EventBytes int   `default:"300" help:"Size of an event on the wire."`
}

// Validate reports values out of range.
func (e *Edges) Validate() error {
	for _, n := range e.Servers {
		if n < 1 || n > 1000 {
			return errors.New("--servers must be from 1 to 1000")
		}
	}
	if e.Fill < 0 || e.Fill > 1_000_000_000 {
		return errors.New("--fill must be from 0 to 1000000000")
	}
	if e.Rows < 1 || e.Rows > fillChunk {
		return fmt.Errorf("--rows must be from 1 to %d", fillChunk)
	}
	return checkOffers(1, []int{e.Rate}, e.EventBytes)
}

var edgesColumns = []report.Column{
	{Key: "events_per_s", Title: "events/s"},
	{Key: "backends", Title: "backends"},
	{Key: "transactions_per_s", Title: "transactions/s"},
	{Key: "postgres_cpus", Title: "CPUs: Postgres"},
	{Key: "server_cpus", Title: "servers"},
	{Key: "relay_cpus", Title: "relay"},
	{Key: "store_cpus", Title: "store"},
}

// Run measures all numbers of servers and prints the report.
func (e *Edges) Run(app *App) (err error) {
	e.settings = map[string]string{"max_connections": "1000"} // of a PostgreSQL of our own: 50 replicas have up to 15 each
	fx, err := e.open(app, 0)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, fx.close()) }()
	if err := fx.createTables(); err != nil {
		return err
	}
	spec, err := fx.apply()
	if err != nil {
		return err
	}
	if e.Fill > 0 {
		fx.progress.Print(fmt.Sprintf("Filling the log with %d events.", e.Fill))
		if err := fx.fillTransactions(e.Fill, e.Rows, e.EventBytes); err != nil {
			return err
		}
	}
	sheet := &report.Sheet{Columns: edgesColumns}
	fx.progress.Expect(e.Rounds * (1 + 2*len(e.Servers)))
	for range e.Rounds {
		if err := e.measure(fx, sheet, spec); err != nil {
			return err
		}
	}
	fx.notes.Add("Transactions are those of the database, with the writer's; servers have no clients. The log is read by each replica, or by the relay alone.")
	return fx.print("edges", sheet, map[string]string{"rate": strconv.Itoa(e.Rate), "duration": e.Duration.String(), "filled with": strconv.Itoa(e.Fill), "rows": strconv.Itoa(e.Rows), "event bytes": strconv.Itoa(e.EventBytes)})
}

// measure makes one round.
func (e *Edges) measure(fx *fixture, sheet *report.Sheet, spec string) error {
	for _, n := range e.Servers {
		if err := e.load(fx, sheet, n, nil); err != nil {
			return err
		}
	}
	world, err := fx.startStore()
	if err != nil {
		return err
	}
	defer func() { world.stop() }()
	fx.progress.Step("the relay copies the log")
	began := time.Now()
	if err := world.startRelay(spec); err != nil {
		return err
	}
	if err := world.awaitCopied(e.Fill / e.Rows * e.Rows); err != nil {
		return err
	}
	if e.Fill > 0 {
		relay, _ := process.CPU(world.relay.PID())
		store, _ := process.CPU(world.redis.PID())
		took := time.Since(began).Seconds()
		sheet.Put(fmt.Sprintf("copy %d events", e.Fill), "relay", "", map[string]float64{
			"events_per_s": float64(e.Fill) / took, "relay_cpus": relay.Seconds() / took, "store_cpus": store.Seconds() / took,
		})
	}
	for _, n := range e.Servers {
		if err := e.load(fx, sheet, n, world); err != nil {
			return err
		}
	}
	return nil
}

// load measures what so many servers cost PostgreSQL: edges of a world, or replicas without one.
func (e *Edges) load(fx *fixture, sheet *report.Sheet, servers int, world *edges) error {
	kind, start := "replica", func() (*subject, error) { return fx.startServer() }
	if world != nil {
		kind, start = edge, world.startEdge
	}
	scenario := fmt.Sprintf("%d servers", servers)
	fx.progress.Step("%s, %s", scenario, kind)
	var all []*subject
	defer func() {
		for _, s := range all {
			s.process.CloseInput()
		}
		for _, s := range all {
			s.stop()
		}
	}()
	for range servers {
		s, err := start()
		if err != nil {
			return err
		}
		all = append(all, s)
	}
	writes.Pause(fx.ctx, 2*time.Second) // what a start reads is over, and counted
	before, err := e.look(fx, all, world)
	if err != nil {
		return err
	}
	publish := fx.inserter(watchedInsert, watchedOverhead)
	if _, err := publish(fx.ctx, writes.Offer{First: fx.nextOffer(), Rate: float64(e.Rate), Duration: e.Duration, Bytes: e.EventBytes}); err != nil {
		return err
	}
	after, err := e.look(fx, all, world)
	if err != nil {
		return err
	}
	took := after.at.Sub(before.at).Seconds()
	sheet.Put(scenario, kind, "", map[string]float64{
		"backends": after.backends, "transactions_per_s": (after.transactions - before.transactions) / took,
		"postgres_cpus": (after.postgres - before.postgres).Seconds() / took, "server_cpus": (after.servers - before.servers).Seconds() / took,
		"relay_cpus": (after.relay - before.relay).Seconds() / took, "store_cpus": (after.store - before.store).Seconds() / took,
	})
	return nil
}

// expense sums up what was used until a moment.
type expense struct {
	at                              time.Time
	backends, transactions          float64
	postgres, servers, relay, store time.Duration
}

func (e *Edges) look(fx *fixture, all []*subject, world *edges) (x expense, err error) {
	writes.Pause(fx.ctx, 1200*time.Millisecond) // a backend reports its transactions once a second
	err = fx.conn.QueryRow(fx.ctx, `
		select
			(select count(*) from pg_catalog.pg_stat_activity as a where a.datname = current_database() and a.application_name like 'pgherald%')::float8,
			(d.xact_commit + d.xact_rollback)::float8
		from pg_catalog.pg_stat_database as d
		where d.datname = current_database()`).Scan(&x.backends, &x.transactions)
	if err != nil {
		return x, fmt.Errorf("count transactions: %w", err)
	}
	x.at = time.Now()
	if fx.postgres != 0 {
		x.postgres, _ = process.TreeCPU(fx.postgres)
	}
	for _, s := range all {
		used, err := s.cpu()
		if err != nil {
			return x, s.process.Failure("measure", err)
		}
		x.servers += used
	}
	if world != nil {
		x.relay, _ = process.CPU(world.relay.PID())
		x.store, _ = process.CPU(world.redis.PID())
	}
	return x, nil
}
