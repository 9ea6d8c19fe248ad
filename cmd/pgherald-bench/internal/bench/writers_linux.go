package bench

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/pgherald/pgherald/cmd/pgherald-bench/internal/load"
	"github.com/pgherald/pgherald/cmd/pgherald-bench/internal/process"
	"github.com/pgherald/pgherald/cmd/pgherald-bench/internal/report"
	"github.com/pgherald/pgherald/cmd/pgherald-bench/internal/stats"
	"github.com/pgherald/pgherald/cmd/pgherald-bench/internal/writes"
)

// Writers measures what the triggers cost writers.
type Writers struct {
	Flags
	Duration    time.Duration `default:"6s" help:"Duration of each measurement."`
	Warm        time.Duration `default:"1s" help:"Time of writing before each measurement."`
	Clients     []int         `default:"1,16,32,64" help:"Number of simultaneous writers, one measurement each. A transaction is one UPDATE of one activity."`
	Rows        int           `default:"10000" help:"Activities to choose from."`
	Subscribers int           `default:"10" help:"Streams that are open meanwhile."`
	Alone       bool          `help:"Run no server, and so no streams: pgherald's triggers then send no NOTIFY."`
	Subjects    []string      `default:"none,naive,row,log,pgherald" help:"Triggers to measure. naive: pg_notify(row_to_json(new)). row: the least that logs each row. log: pgherald's without the NOTIFY. always: pgherald's with a NOTIFY also where no server listens."`
}

// Validate reports values out of range and unknown subjects.
func (w *Writers) Validate() error {
	switch {
	case w.Duration < 100*time.Millisecond || w.Duration > time.Hour || w.Warm < 0 || w.Warm > time.Hour:
		return errors.New("--duration must be from 100ms to 1h, --warm from 0 to 1h")
	case w.Rows < 1 || w.Rows > 10_000_000:
		return errors.New("--rows must be from 1 to 10000000")
	case w.Subscribers < 1 || w.Subscribers > 10_000:
		return errors.New("--subscribers must be from 1 to 10000")
	case len(w.Clients) == 0:
		return errors.New("--clients must name at least one number of writers")
	}
	for _, n := range w.Clients {
		if n < 1 || n > 1000 {
			return errors.New("--clients must be from 1 to 1000")
		}
	}
	return checkSubjects(w.Subjects, ours, noTriggers, naiveTrigger, smallest, logOnly, alwaysNotify)
}

var writersColumns = []report.Column{
	{Key: "tps", Title: "tps", Ratio: true},
	{Key: "p50_ms", Title: "p50 ms", Ratio: true},
	{Key: "p99_ms", Title: "p99 ms", Ratio: true},
	{Key: "unannounced", Title: "unannounced"},
	{Key: "complete_percent", Title: "complete %"},
	{Key: "server_cpus", Title: "CPUs: server"},
	{Key: "writers_cpus", Title: "writers"},
	{Key: "postgres_cpus", Title: "Postgres"},
}

// writersRun is one run of the benchmark, with everything that stays during all measurements.
type writersRun struct {
	*Writers
	fx         *fixture
	activities *activities
	server     *subject
	clients    *load.Group
	writers    *process.Process
}

// Run measures all subjects and prints the report.
func (w *Writers) Run(app *App) (err error) {
	w.settings = writerSettings
	fx, err := w.open(app, 0)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, fx.close()) }()
	if err := fx.checkMaxConnections(w.Clients); err != nil {
		return err
	}
	r := &writersRun{Writers: w, fx: fx}
	if err := r.start(); err != nil {
		return err
	}
	sheet := &report.Sheet{Columns: writersColumns}
	fx.progress.Expect(w.Rounds * len(w.Subjects) * len(w.Clients))
	for range w.Rounds {
		for _, clients := range w.Clients {
			for _, variant := range w.Subjects {
				if err := r.measure(sheet, variant, clients); err != nil {
					return fmt.Errorf("measure %s: %w", variant, err)
				}
			}
		}
	}
	if w.Alone {
		fx.notes.Add("No server runs.")
	} else {
		fx.notes.Add("The server runs and serves its streams with all variants, on the same processors as Postgres and the writers. complete: streams that received each event once. unannounced: events without a NOTIFY, which the server found when it read the log, once a second.")
	}
	if err := fx.noteDurability(); err != nil {
		return err
	}
	return fx.print("writers", sheet, map[string]string{
		"duration": w.Duration.String(), "rows": strconv.Itoa(w.Rows), "subscribers": strconv.Itoa(w.Subscribers), "transaction": strings.TrimSpace(writes.UpdateSQL),
	})
}

// checkMaxConnections returns an error if PostgreSQL does not accept enough connections.
func (fx *fixture) checkMaxConnections(clients []int) error {
	var limit int
	err := fx.conn.QueryRow(fx.ctx, `select current_setting('max_connections')::int - current_setting('superuser_reserved_connections')::int`).Scan(&limit)
	if err != nil {
		return fmt.Errorf("read max_connections: %w", err)
	}
	const others = 16 // the server's and ours
	for _, n := range clients {
		if n+others > limit {
			return fmt.Errorf("let %d clients write: Postgres accepts %d connections, and the benchmark needs %d more; raise max_connections", n, limit, others)
		}
	}
	return nil
}

// start starts the writers and, unless they are to be alone, what serves. The fixture stops them.
func (r *writersRun) start() (err error) {
	fx := r.fx
	if r.activities, err = fx.createActivities(r.Rows); err != nil {
		return err
	}
	if !r.Alone {
		if err := r.serve(); err != nil {
			return err
		}
	}
	config, err := json.Marshal(writes.WritersConfig{DatabaseURL: fx.url, Rows: r.Rows})
	if err != nil {
		return err
	}
	r.writers, err = process.Start(process.Command{Name: "the writers", Path: fx.exe, Args: []string{"child", "writers", string(config)}})
	if err == nil {
		r.stopLater(r.writers.Stop)
	}
	return err
}

func (r *writersRun) stopLater(stop func()) {
	r.fx.cleanups = append(r.fx.cleanups, func() error { stop(); return nil })
}

// serve starts the server, its clients and a listener to the naive trigger.
func (r *writersRun) serve() (err error) {
	fx := r.fx
	if r.server, err = fx.serve(); err != nil {
		return err
	}
	r.stopLater(r.server.stop)
	naive, err := fx.startListenLoop(naiveChannel)
	if err != nil {
		return err
	}
	r.stopLater(naive.stop)
	if r.clients, err = fx.startClients(r.server, load.Options{Clients: r.Subscribers, KeyN: `"location":"room `}); err != nil {
		return err
	}
	r.stopLater(r.clients.Stop)
	_, err = r.clients.Open(fx.ctx)
	return err
}

// measure lets a number of clients write with one variant of the triggers.
func (r *writersRun) measure(sheet *report.Sheet, variant string, clients int) error {
	fx := r.fx
	scenario := fmt.Sprintf("%d clients", clients)
	fx.progress.Step("%s, %s", scenario, variant)
	if err := errors.Join(r.activities.use(variant), r.activities.vacuum()); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(fx.ctx, r.Warm+r.Duration+2*time.Minute)
	defer cancel()
	o := writes.WritersOrder{Clients: clients, First: fx.nextOffer(), Warmup: r.Warm, Duration: r.Duration}
	var statsBefore serverStats
	if !r.Alone {
		var err error
		if statsBefore, err = r.server.stats(ctx); err != nil {
			return err
		}
		if err := r.clients.Mark(ctx, o.First); err != nil {
			return err
		}
	}
	before, began, err := fx.cpuTimes(r.server, r.clients)
	if err != nil {
		return err
	}
	writersBefore, _ := process.CPU(r.writers.PID()) // the order reports writers that have ended
	result, err := r.order(ctx, o)
	if err != nil {
		return err
	}
	after, ended, err := fx.cpuTimes(r.server, r.clients)
	if err != nil {
		return err
	}
	writersAfter, _ := process.CPU(r.writers.PID())
	if _, err := r.order(ctx, writes.WritersOrder{}); err != nil { // disconnect
		return err
	}
	u := after.since(before)
	u.elapsed = ended.Sub(began)
	writersCPU := writersAfter - writersBefore
	values := r.figures(result, u, writersCPU)
	if !r.Alone && variant != noTriggers && variant != naiveTrigger { // also so that no event is left for the next measurement
		if err := r.addDelivery(ctx, values, o, result, statsBefore); err != nil {
			return err
		}
	}
	sheet.Put(scenario, variant, r.bottleneck(scenario, variant, u, writersCPU), values)
	return nil
}

// order gives the writers an order and waits for its result.
func (r *writersRun) order(ctx context.Context, o writes.WritersOrder) (result writes.WritersResult, err error) {
	if err := r.writers.Send(o); err != nil {
		return result, err
	}
	if err := r.writers.Receive(ctx, &result); err != nil {
		return result, err
	}
	if result.Error != "" {
		return result, errors.New(result.Error)
	}
	return result, nil
}

func (r *writersRun) figures(result writes.WritersResult, u usage, writers time.Duration) map[string]float64 {
	var latency stats.Histogram
	latency.Merge(result.Latency)
	return map[string]float64{
		"tps":           float64(result.Transactions) / result.Seconds,
		"p50_ms":        latency.Quantile(0.5) / 1000,
		"p99_ms":        latency.Quantile(0.99) / 1000,
		"server_cpus":   u.server.Seconds() / u.elapsed.Seconds(),
		"writers_cpus":  writers.Seconds() / u.elapsed.Seconds(),
		"postgres_cpus": u.postgres.Seconds() / u.elapsed.Seconds(),
	}
}

// bottleneck returns "machine" if all processors were busy, with a note on their use, and otherwise "none".
func (r *writersRun) bottleneck(scenario, variant string, u usage, writers time.Duration) string {
	if u.idle >= u.total/20 {
		return "none"
	}
	share := func(d time.Duration) float64 { return 100 * d.Seconds() / u.total.Seconds() }
	r.fx.notes.AddOnce(scenario+", "+variant, "all processors were busy: Postgres %.0f %%, the writers %.0f %%, the server %.0f %%, the clients of the streams %.0f %%, other programs %.0f %%.",
		share(u.postgres), share(writers), share(u.server), share(u.load),
		share(u.total-u.idle-u.postgres-writers-u.server-u.load))
	return "machine"
}

// addDelivery waits for the deliveries of the written events and adds their figures.
func (r *writersRun) addDelivery(ctx context.Context, values map[string]float64, o writes.WritersOrder, result writes.WritersResult, before serverStats) error {
	events := result.Last - o.First + 1
	if err := r.clients.Await(ctx, events*int64(r.Subscribers), r.fx.flags.Patience); err != nil && !errors.Is(err, load.ErrLost) {
		return err
	}
	delivered, err := r.clients.Report(ctx, o.First, result.Last)
	if err != nil {
		return err
	}
	after, err := r.server.stats(ctx)
	if err != nil {
		return err
	}
	values["complete_percent"] = 100 * float64(delivered.Complete) / float64(r.Subscribers)
	values["unannounced"] = float64(after.Feed.Unannounced - before.Feed.Unannounced)
	return nil
}
