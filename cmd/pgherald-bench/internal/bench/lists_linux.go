package bench

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"time"

	"github.com/pgherald/pgherald/cmd/pgherald-bench/internal/report"
)

// Subjects of Lists besides ours.
const (
	bareSelect     = "select"   // in the pool's mode, which prepares nothing
	preparedSelect = "prepared" // on a session that prepared it
	cursorSelect   = "cursor"   // in a REPEATABLE READ transaction, with pgherald.cursor()
	httpSelect     = "handler"  // by a hand-written net/http handler
)

// Lists measures pages of a collection beside the same rows of a SELECT.
type Lists struct {
	Flags
	Rows     int      `default:"1000000" help:"Rows of the table. Ten million take two minutes to make, and 2 GB."`
	Limit    int      `default:"50" help:"Rows of a page."`
	Requests int      `default:"500" help:"Pages of each subject in a round; the subjects take turns after each page."`
	Subjects []string `default:"select,prepared,cursor,handler,pgherald" help:"What to measure. select: the bare SELECT on a pool as the server's, which prepares nothing; prepared: the same, prepared; cursor: in a transaction with pgherald.cursor(), as an application would serve a list and a stream; handler: the bare SELECT through a hand-written HTTP handler."`
}

// Validate reports values out of range and unknown subjects.
func (l *Lists) Validate() error {
	switch {
	case l.Rows < 1000 || l.Rows > 100_000_000:
		return errors.New("--rows must be from 1000 to 100000000")
	case l.Limit < 1 || l.Limit > 500:
		return errors.New("--limit must be from 1 to 500")
	case l.Requests < 10 || l.Requests > 1_000_000:
		return errors.New("--requests must be from 10 to 1000000")
	}
	return checkSubjects(l.Subjects, ours, bareSelect, preparedSelect, cursorSelect, httpSelect)
}

var listColumns = []report.Column{
	{Key: "p50_us", Title: "p50 µs", Ratio: true},
	{Key: "min_us", Title: "least µs", Ratio: true},
	{Key: "p99_us", Title: "p99 µs"},
}

const listSpec = `tables:
  - name: bench.orders
    collection: orders
    filter: [status, total, customer, created_at]
`

// listTableSQL makes the table and then its indexes, and nothing for a crash: reading pages takes the same time.
const listTableSQL = `
set local maintenance_work_mem = '512MB';
set local max_parallel_maintenance_workers = 2;
create schema bench;
create unlogged table bench.orders (
    id bigint not null, status text not null, total numeric(10, 2), customer int not null, note text not null, created_at timestamptz not null
);
insert into bench.orders
select i, (array['open', 'paid', 'shipped', 'closed'])[1 + i %% 4], (i * 7919 %% 100000) / 100.0, i * 31 %% 50000, repeat('x', 40),
    '2026-01-01Z'::timestamptz + i * interval '1 second'
from generate_series(1, %d::bigint) as i;
alter table bench.orders add primary key (id);
create index by_status on bench.orders (status, created_at, id);
create index by_total on bench.orders (total, id);
create index by_customer on bench.orders (customer)`

// listCase is a list, and the SELECT of the same rows.
type listCase struct {
	params string
	sql    string // up to the limit
	values []any
}

func listCases(rows int) []listCase {
	const from = `select to_json(o.*) from bench.orders as o `
	middle := rows / 2
	return []listCase{
		{"", from + `order by o.id`, nil},
		{"where.status=open&order=created_at.desc", from + `where o.status = $1 order by o.created_at desc, o.id desc`, []any{"open"}},
		{"where.customer=in.(7,8,9)&order=total", from + `where o.customer = any($1::int[]) order by o.total, o.id`, []any{[]int32{7, 8, 9}}},
		{"where.total=gt.999&order=total.desc", from + `where o.total > $1 order by o.total desc, o.id desc`, []any{999}},
		{"where.created_at=gt." + middleText(middle) + "&order=created_at&where.status=open", // a page in the middle
			from + `where o.created_at > $1 and o.status = $2 order by o.created_at, o.id`, []any{middleTime(middle), "open"}},
	}
}

func middleTime(row int) time.Time {
	return time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC).Add(time.Duration(row) * time.Second)
}

func middleText(row int) string { return url.QueryEscape(middleTime(row).Format(time.RFC3339)) }

// Run measures all subjects and prints the report.
func (l *Lists) Run(app *App) (err error) {
	fx, err := l.open(app, 0)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, fx.close()) }()
	fx.progress.Print("Making " + strconv.Itoa(l.Rows) + " rows.")
	if _, err := fx.conn.Exec(fx.ctx, fmt.Sprintf(listTableSQL, l.Rows)); err != nil {
		return fmt.Errorf("create the benchmark's table: %w", err)
	}
	if _, err := fx.conn.Exec(fx.ctx, `vacuum (analyze, freeze) bench.orders`); err != nil {
		return fmt.Errorf("vacuum the benchmark's table: %w", err)
	}
	readers, stop, err := l.readers(fx)
	if err != nil {
		return err
	}
	defer stop()
	sheet := &report.Sheet{Columns: listColumns}
	fx.progress.Expect(l.Rounds * len(listCases(l.Rows)))
	for range l.Rounds {
		for _, c := range listCases(l.Rows) {
			fx.progress.Step("%s", title(c))
			if err := l.measure(fx, readers, sheet, c); err != nil {
				return fmt.Errorf("measure %q: %w", c.params, err)
			}
		}
	}
	fx.notes.Add("A page is measured by its client, from the request to the last byte, on one connection. select and handler are the baselines of a list: they use " +
		"the same driver, mode and sockets. Only a server that runs no code of others in its sessions, and has no pooler before it, could do as prepared does.")
	return fx.print("lists", sheet, map[string]string{"rows": strconv.Itoa(l.Rows), "limit": strconv.Itoa(l.Limit), "requests": strconv.Itoa(l.Requests)})
}

func title(c listCase) string {
	if c.params == "" {
		return "by key"
	}
	return c.params
}

// listReader reads a page and returns its rows.
type listReader func(ctx context.Context, c listCase) (rows int, err error)

// readers returns what reads the pages of each subject. It starts the server.
func (l *Lists) readers(fx *fixture) (readers map[string]listReader, stop func(), err error) {
	spec := filepath.Join(fx.dir, "lists.yaml")
	if err := os.WriteFile(spec, []byte(listSpec), 0o600); err != nil {
		return nil, nil, fmt.Errorf("write the spec: %w", err)
	}
	s, err := fx.serve("--spec=" + spec)
	if err != nil {
		return nil, nil, err
	}
	selects, err := openSelects(fx.ctx, fx.url, l.Limit)
	if err != nil {
		s.stop()
		return nil, nil, err
	}
	handler, err := fx.startChild("lists", listHandler{DatabaseURL: fx.url, Limit: l.Limit, Rows: l.Rows})
	if err != nil {
		selects.close()
		s.stop()
		return nil, nil, err
	}
	readers = map[string]listReader{
		bareSelect: selects.read, preparedSelect: selects.readPrepared, cursorSelect: selects.readWithCursor,
		httpSelect: httpReader("http://"+handler.addr+"/", l.Limit), ours: httpReader("http://"+s.addr+"/api/collections/orders", l.Limit),
	}
	return readers, func() { handler.stop(); selects.close(); s.stop() }, nil
}

// measure reads pages of a case with all subjects in turns.
func (l *Lists) measure(fx *fixture, readers map[string]listReader, sheet *report.Sheet, c listCase) error {
	times := make(map[string][]time.Duration)
	want := -1
	for i := range l.Requests + 5 { // the first ones connect, and plan
		for _, name := range l.Subjects {
			began := time.Now()
			rows, err := readers[name](fx.ctx, c)
			took := time.Since(began)
			if err != nil {
				return fmt.Errorf("%s: %w", name, err)
			}
			if want < 0 {
				want = rows
			}
			if rows != want || rows == 0 {
				return fmt.Errorf("%s returns %d rows, and %s %d", name, rows, l.Subjects[0], want)
			}
			if i >= 5 {
				times[name] = append(times[name], took)
			}
		}
	}
	for _, name := range l.Subjects {
		all := slices.Sorted(slices.Values(times[name]))
		micros := func(i int) float64 { return float64(all[i].Nanoseconds()) / 1000 }
		sheet.Put(title(c), name, "", map[string]float64{"p50_us": micros(len(all) / 2), "min_us": micros(0), "p99_us": micros(len(all) * 99 / 100)})
	}
	return nil
}
