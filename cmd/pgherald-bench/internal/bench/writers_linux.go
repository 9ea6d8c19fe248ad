package bench

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// Writers measures what the triggers cost those who write.
type Writers struct {
	Flags
	Duration    time.Duration `default:"6s" help:"How long each measurement takes."`
	Warm        time.Duration `default:"1s" help:"How long it goes on before that."`
	Clients     []int         `default:"1,16,32,64" help:"How many write at the same time, one measurement each; each transaction is one UPDATE of one activity."`
	Rows        int           `default:"10000" help:"Activities to choose from."`
	Subscribers int           `default:"10" help:"Streams that are open meanwhile."`
	Subjects    []string      `default:"none,naive,log,pgherald" help:"Triggers: pgherald; none; naive: pg_notify(row_to_json(new)); log: pgherald's without the NOTIFY."`
}

// Validate is called by kong.
func (w *Writers) Validate() error {
	switch {
	case w.Duration < 100*time.Millisecond || w.Duration > time.Hour || w.Warm < 0 || w.Warm > time.Hour:
		return errors.New("--duration must be from 100ms to 1h, --warm from 0 to 1h")
	case w.Rows < 1 || w.Rows > 10_000_000:
		return errors.New("--rows must be from 1 to 10000000")
	case w.Subscribers < 1 || w.Subscribers > 10_000:
		return errors.New("--subscribers must be from 1 to 10000")
	case len(w.Clients) == 0:
		return errors.New("--clients must name how many write")
	}
	for _, n := range w.Clients {
		if n < 1 || n > 1000 {
			return errors.New("--clients must be from 1 to 1000")
		}
	}
	return checkSubjects(w.Subjects, ours, noTriggers, naiveTrigger, logOnly)
}

var writersColumns = []Column{
	{Key: "tps", Title: "tps", Ratio: true},
	{Key: "p50_ms", Title: "p50 ms", Ratio: true},
	{Key: "p99_ms", Title: "p99 ms", Ratio: true},
	{Key: "unannounced", Title: "unannounced"},
	{Key: "complete_percent", Title: "complete %"},
	{Key: "server_cpus", Title: "CPUs: server"},
	{Key: "writers_cpus", Title: "writers"},
	{Key: "postgres_cpus", Title: "Postgres"},
}

// writing is a run of the benchmark: a server, its streams, the writers.
type writing struct {
	*Writers
	lab        *lab
	activities *activities
	server     *subject
	naive      *subject // listens to the naive trigger, as somebody would
	crowd      *crowd
	writers    *process
}

// Run measures, in turns.
func (w *Writers) Run(app *App) (err error) {
	w.settings = writerSettings
	l, err := w.open(app, 0)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, l.close()) }()
	if err := l.roomFor(w.Clients); err != nil {
		return err
	}
	r := &writing{Writers: w, lab: l}
	if err := r.start(); err != nil {
		return err
	}
	sheet := &sheet{columns: writersColumns}
	l.bar.expect(w.Rounds * len(w.Subjects) * len(w.Clients))
	for range w.Rounds {
		for _, clients := range w.Clients {
			for _, variant := range w.Subjects {
				if err := r.measure(sheet, variant, clients); err != nil {
					return fmt.Errorf("measure %s: %w", variant, err)
				}
			}
		}
	}
	l.notes.add("The server runs and serves its streams with all variants, on the same processors as Postgres and the writers. complete: streams that got each event of each transaction once. unannounced: events that no NOTIFY told of, which wait for the read of each second.")
	if err := l.durability(); err != nil {
		return err
	}
	return l.print("writers", sheet, map[string]string{
		"duration": w.Duration.String(), "rows": strconv.Itoa(w.Rows), "subscribers": strconv.Itoa(w.Subscribers), "transaction": strings.TrimSpace(updateSQL),
	})
}

// roomFor looks whether the server takes so many connections.
func (l *lab) roomFor(clients []int) error {
	var most int
	err := l.conn.QueryRow(l.ctx, `select current_setting('max_connections')::int - current_setting('superuser_reserved_connections')::int`).Scan(&most)
	if err != nil {
		return fmt.Errorf("read how many connections the server takes: %w", err)
	}
	const others = 16 // the server's and ours
	for _, n := range clients {
		if n+others > most {
			return fmt.Errorf("let %d clients write: Postgres takes %d connections, and %d are needed beside; raise max_connections", n, most, others)
		}
	}
	return nil
}

// start starts everything that runs during all measurements. The lab stops it.
func (r *writing) start() (err error) {
	l := r.lab
	if r.activities, err = l.openActivities(r.Rows); err != nil {
		return err
	}
	stopLater := func(stop func()) { l.undo = append(l.undo, func() error { stop(); return nil }) }
	if r.server, err = l.serve(); err != nil {
		return err
	}
	stopLater(r.server.stop)
	if r.naive, err = l.startListenLoop("naive"); err != nil {
		return err
	}
	stopLater(r.naive.stop)
	if r.crowd, err = l.gather(r.server, gathering{size: r.Subscribers, keyN: `"location":"room `}); err != nil {
		return err
	}
	stopLater(r.crowd.stop)
	if _, err = r.crowd.open(l.ctx); err != nil {
		return err
	}
	config, err := json.Marshal(writeConfig{DatabaseURL: l.url, Rows: r.Rows})
	if err != nil {
		return err
	}
	r.writers, err = startProcess(command{name: "the writers", path: l.exe, args: []string{"child", "writers", string(config)}})
	if err == nil {
		stopLater(r.writers.stop)
	}
	return err
}

// measure has so many clients write under one variant of the triggers.
func (r *writing) measure(sheet *sheet, variant string, clients int) error {
	l := r.lab
	scenario := fmt.Sprintf("%d clients", clients)
	l.bar.step("%s, %s", scenario, variant)
	if err := errors.Join(r.activities.use(variant), r.activities.tidy()); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(l.ctx, r.Warm+r.Duration+2*time.Minute)
	defer cancel()
	o := writeOrder{Clients: clients, First: l.number(), Warm: r.Warm, Lasting: r.Duration}
	if err := r.crowd.mark(ctx, o.First); err != nil {
		return err
	}
	stats, err := r.server.stats(ctx)
	if err != nil {
		return err
	}
	before, began, err := l.gauge(r.server, r.crowd)
	if err != nil {
		return err
	}
	writers, _ := cpuOf(r.writers.pid()) // it is asked next
	if err := r.writers.tell(o); err != nil {
		return err
	}
	done, err := r.hear(ctx)
	if err != nil {
		return err
	}
	after, ended, err := l.gauge(r.server, r.crowd)
	if err != nil {
		return err
	}
	u := after.since(before)
	u.elapsed = ended.Sub(began)
	now, _ := cpuOf(r.writers.pid())
	if err := r.writers.tell(writeOrder{}); err != nil {
		return err
	}
	if _, err := r.hear(ctx); err != nil {
		return err
	}
	values := r.figures(done, u, now-writers)
	if variant == ours || variant == logOnly { // the next one must not find what this one left
		if err := r.check(ctx, values, o, done, stats); err != nil {
			return err
		}
	}
	sheet.put(scenario, variant, r.bottleneck(scenario, variant, u, now-writers), values)
	return nil
}

// hear waits for the writers' answer.
func (r *writing) hear(ctx context.Context) (done written, err error) {
	if err := r.writers.hear(ctx, &done); err != nil {
		return done, err
	}
	if done.Error != "" {
		return done, errors.New(done.Error)
	}
	return done, nil
}

func (r *writing) figures(done written, u usage, writers time.Duration) map[string]float64 {
	var latency histogram
	latency.merge(done.Latency)
	return map[string]float64{
		"tps":           float64(done.Transactions) / done.Seconds,
		"p50_ms":        latency.quantile(0.5) / 1000,
		"p99_ms":        latency.quantile(0.99) / 1000,
		"server_cpus":   u.server.Seconds() / u.elapsed.Seconds(),
		"writers_cpus":  writers.Seconds() / u.elapsed.Seconds(),
		"postgres_cpus": u.postgres.Seconds() / u.elapsed.Seconds(),
	}
}

// bottleneck says whether anything was left, and what took the most beside Postgres.
func (r *writing) bottleneck(scenario, variant string, u usage, writers time.Duration) string {
	if u.idle >= u.total/20 {
		return "none"
	}
	share := func(d time.Duration) float64 { return 100 * d.Seconds() / u.total.Seconds() }
	r.lab.notes.about(scenario+", "+variant, "all processors were busy: Postgres %.0f %%, the writers themselves %.0f %%, the server %.0f %%, the streams' clients %.0f %%, anything else %.0f %%.",
		share(u.postgres), share(writers), share(u.server), share(u.load),
		share(u.total-u.idle-u.postgres-writers-u.server-u.load))
	return "machine"
}

// check looks at what the streams got.
func (r *writing) check(ctx context.Context, values map[string]float64, o writeOrder, done written, before serverStats) error {
	events := done.Last - o.First + 1
	if err := r.crowd.await(ctx, events*int64(r.Subscribers), lossPatience); err != nil && !errors.Is(err, errLost) {
		return err
	}
	report, err := r.crowd.report(ctx, o.First, done.Last)
	if err != nil {
		return err
	}
	stats, err := r.server.stats(ctx)
	if err != nil {
		return err
	}
	values["complete_percent"] = 100 * float64(report.Complete) / float64(r.Subscribers)
	values["unannounced"] = float64(stats.Feed.Unannounced - before.Feed.Unannounced)
	return nil
}
