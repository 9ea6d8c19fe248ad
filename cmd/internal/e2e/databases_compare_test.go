package e2e

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/pgherald/pgherald/db/pgtest"
	"github.com/pgherald/pgherald/stream"
)

// snapshot holds what SQL, or a list, says about selections at one set of transactions.
type snapshot struct {
	name   string
	cursor stream.Cursor
	rows   map[*selection]map[string]string
}

// spelled are the settings with which SQL spells values as pgherald promises to.
const spelled = `set timezone = 'UTC'; set datestyle = 'ISO, YMD'; set intervalstyle = 'postgres'; set lc_monetary = 'C'; set search_path = pg_catalog`

// sqlRows selects the rows of a selection by key. It shares no code with pgherald. Line breaks of a json column, which are
// between its values, become spaces, because a line of a stream has none.
func sqlRows(ctx context.Context, q interface {
	Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error)
}, s *selection) (map[string]string, error) {
	fields := make([]string, len(s.collection.Fields))
	for i, f := range s.collection.Fields {
		fields[i] = "n." + pgx.Identifier{f.Name}.Sanitize()
	}
	keys := make([]string, len(s.collection.Key))
	for i, column := range s.collection.Key {
		keys[i] = "n." + pgx.Identifier{column}.Sanitize()
	}
	key := keys[0] + "::text"
	if len(keys) > 1 {
		key = "json_build_array(" + strings.Join(keys, ", ") + ")::text"
	}
	sql := fmt.Sprintf("select %s, (select translate(to_json(whole_row)::text, e'\\n\\r', '  ') from (select %s) as whole_row) from %s as n where (%s) and %s", key, strings.Join(fields, ", "), s.collection.Table, s.sql, s.collection.own)
	found, _ := q.Query(ctx, sql)
	rows := map[string]string{}
	var k, row string
	_, err := pgx.ForEachRow(found, []any{&k, &row}, func() error {
		rows[k] = row
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("%s: %w", sql, err)
	}
	return rows, nil
}

// takeSnapshots reads some selections at several moments while the writers write: with SQL in a transaction with one
// snapshot, and through the list.
func (p *proof) takeSnapshots(first int) error {
	conn, err := pgx.Connect(p.ctx, p.url)
	if err != nil {
		return err
	}
	defer conn.Close(context.WithoutCancel(p.ctx))
	rng := p.rng(7)
	_, err = conn.Exec(p.ctx, spelled)
	const moments = 6
	for n := 0; n < moments && err == nil; n++ {
		if err := p.wrote.reach(p.ctx, first+p.writes*(n+1)/(moments+1)); err != nil {
			return err
		}
		if n%2 == 0 {
			err = p.snapshotOfSQL(p.ctx, conn, p.someSelections(rng.IntN, max(60, len(p.selections)/10)))
		} else {
			err = p.snapshotOfLists(p.ctx, rng, p.someSelections(rng.IntN, max(20, len(p.selections)/50)))
		}
	}
	return err
}

func (p *proof) someSelections(intN func(int) int, n int) []*selection {
	some := make([]*selection, n)
	for i := range some {
		some[i] = p.selections[intN(len(p.selections))]
	}
	return some
}

// snapshotOfSQL reads the selections in one snapshot.
func (p *proof) snapshotOfSQL(ctx context.Context, conn *pgx.Conn, of []*selection) error {
	tx, err := conn.BeginTx(ctx, pgx.TxOptions{IsoLevel: pgx.RepeatableRead})
	if err != nil {
		return err
	}
	defer func() { _ = tx.Rollback(context.WithoutCancel(ctx)) }()
	var top uint64
	var open []uint64
	sql := `select pg_snapshot_xmax(s)::text::bigint, coalesce((select array_agg(x::text::bigint) from pg_snapshot_xip(s) as x), '{}') from pg_current_snapshot() as s`
	if err := tx.QueryRow(ctx, sql).Scan(&top, &open); err != nil {
		return err
	}
	s := snapshot{name: "SQL in a snapshot", cursor: stream.NewCursor("", top, open), rows: map[*selection]map[string]string{}}
	for _, selected := range of {
		if s.rows[selected], err = sqlRows(ctx, tx, selected); err != nil {
			return err
		}
	}
	p.snapshots = append(p.snapshots, s)
	return nil
}

// snapshotOfLists reads selections through the list, each at a cursor of its own.
func (p *proof) snapshotOfLists(ctx context.Context, rng *rand.Rand, of []*selection) error {
	client := newHTTPClient(p.t)
	for _, selected := range of {
		l, err := readList(ctx, client, p.node(rng), selected, url.Values{"limit": {"500"}})
		if err != nil {
			return err
		}
		if l.pages == 1 {
			p.snapshots = append(p.snapshots, snapshot{"a list", l.cursor, map[*selection]map[string]string{selected: l.rows}})
		}
	}
	return nil
}

// finish waits until every client has everything, and compares.
func (p *proof) finish() {
	p.t.Helper()
	var xid uint64
	if err := p.conn.QueryRow(p.ctx, `insert into public.proof_end values (1) returning pg_current_xact_id()::text::bigint`).Scan(&xid); err != nil {
		p.t.Fatal(err)
	}
	for _, f := range p.followers {
		f.mu.Lock()
		f.isLast = func(c stream.Cursor) bool { return c.Seen(xid) && len(c.Holes()) == 0 }
		f.mu.Unlock()
	}
	p.following.Wait()
	p.report()
	pgtest.Exec(p.t, p.conn, spelled)
	p.checkLog()
	p.compareAtEnd()
	p.compareSnapshots()
	p.logFollowers()
}

// compareAtEnd compares each selection with SQL and with its list.
func (p *proof) compareAtEnd() {
	p.t.Helper()
	client, rng := newHTTPClient(p.t), p.rng(8)
	rows := 0
	for _, s := range p.selections {
		want, err := sqlRows(p.ctx, p.conn, s)
		if err != nil {
			p.t.Fatal(err)
		}
		rows += len(want)
		if difference := difference(s.rows, want); difference != "" {
			p.t.Errorf("the client of %s, after %d loads, differs from SQL (%s): %s", s, s.loads, s.sql, difference)
		}
		params := url.Values{"count": {"exact"}, "limit": {fmt.Sprint(min(500, 5+len(want)/(1+rng.IntN(4))))}}
		if filter := s.collection.Filter; len(filter) > 0 && rng.IntN(2) == 0 {
			params.Set("order", orderBy(rng, filter[rng.IntN(len(filter))].Name))
		}
		l, err := readList(p.ctx, client, p.node(rng), s, params)
		if err != nil {
			p.t.Fatal(err)
		}
		if difference := difference(l.rows, want); difference != "" {
			p.t.Errorf("the list of %s, by %v, differs from SQL (%s): %s", s, params, s.sql, difference)
		}
		if l.count != len(want) || l.repeats > 0 {
			p.t.Errorf("the list of %s, by %v, counts %d rows and repeats %d, want %d", s, params, l.count, l.repeats, len(want))
		}
		p.compareRow(client, rng, s, want)
	}
	p.t.Logf("compared %d selections with %d rows at the end", len(p.selections), rows)
}

func orderBy(rng *rand.Rand, field string) string {
	if strings.ContainsAny(field, `,.()"\`) { // only fields with plain names can be in an order
		return ""
	}
	return field + []string{"", ".asc", ".desc"}[rng.IntN(3)]
}

// compareRow compares one row of the selection with the answer for its key.
func (p *proof) compareRow(client *http.Client, rng *rand.Rand, s *selection, want map[string]string) {
	p.t.Helper()
	for key, row := range want { // any of them
		var got json.RawMessage
		at := p.node(rng).at("/api/collections/" + url.PathEscape(s.collection.Name) + "/" + escapeAll(key))
		if err := getJSON(p.ctx, client, at, &got); err != nil || string(got) != row {
			p.t.Errorf("GET %s: %v, %s, want %s", at, err, got, row)
		}
		return
	}
}

// compareSnapshots compares what clients held with the snapshots that their base includes no more than.
func (p *proof) compareSnapshots() {
	compared, rows := 0, 0
	for _, snapshot := range p.snapshots {
		for s, want := range snapshot.rows {
			if f := p.followerOf(s); len(f.extra) > 0 || !covers(snapshot.cursor, s.base.cursor) {
				continue // it left events out, or loaded its rows later
			}
			if difference := difference(s.at(snapshot.cursor.Seen), want); difference != "" {
				p.t.Errorf("the client of %s differed from %s: %s", s, snapshot.name, difference)
			}
			compared, rows = compared+1, rows+len(want)
		}
	}
	p.t.Logf("compared %d selections with %d rows at snapshots in between", compared, rows)
}

// covers compares cursors of any epochs.
func covers(c, d stream.Cursor) bool {
	return stream.NewCursor("", c.Next(), c.Holes()).Covers(stream.NewCursor("", d.Next(), d.Holes()))
}

func (p *proof) followerOf(s *selection) *follower {
	for _, f := range p.followers {
		if slices.Contains(f.selections, s) {
			return f
		}
	}
	return nil
}

// difference describes the first difference of two sets of rows.
func difference(got, want map[string]string) string {
	for _, key := range slices.Sorted(maps.Keys(want)) {
		if row, ok := got[key]; !ok {
			return fmt.Sprintf("%d rows, want %d: row %s is missing: %.1000s", len(got), len(want), key, want[key])
		} else if row != want[key] {
			return fmt.Sprintf("row %s is\n%.1500s, want\n%.1500s", key, row, want[key])
		}
	}
	for _, key := range slices.Sorted(maps.Keys(got)) {
		if _, ok := want[key]; !ok {
			return fmt.Sprintf("%d rows, want %d: row %s should not be there: %.1000s", len(got), len(want), key, got[key])
		}
	}
	return ""
}

func (p *proof) logFollowers() {
	events, connections, reloads, cuts, doubts, fields := 0, 0, 0, 0, 0, 0
	for _, f := range p.followers {
		events, connections, reloads = events+f.events, connections+f.connections, reloads+f.reloads
		cuts, doubts = cuts+f.cuts, doubts+f.doubts
	}
	for _, c := range p.collections {
		fields += len(c.Filter)
	}
	p.t.Logf("%d collections with %d filter fields; %d selections on %d streams, %d connections (the servers ended %d), %d events, %d reloads, %d lists that a TRUNCATE emptied",
		len(p.collections), fields, len(p.selections), len(p.followers), connections, cuts, events, reloads, doubts)
}
