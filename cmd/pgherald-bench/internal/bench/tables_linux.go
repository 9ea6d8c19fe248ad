package bench

import (
	"context"
	"fmt"
	"regexp"

	"github.com/jackc/pgx/v5"

	"github.com/pgherald/pgherald/cmd/pgherald-bench/internal/writes"
)

// watchedSpec is the spec of the table that pgherald watches.
const watchedSpec = `tables:
  - name: bench.watched
    on: { insert: item }
    payload: { n: n.n, sent: n.sent, pad: n.pad }
`

// naiveChannel is the channel of the naive trigger.
const naiveChannel = "naive"

// naiveFunctionSQL creates the function of the naive trigger, which sends the whole row in a NOTIFY. It suits
// any table.
const naiveFunctionSQL = `
create function public.naive_notify() returns trigger
language plpgsql
as $$
begin
    perform pg_notify('naive', row_to_json(new)::text);
    return null;
end
$$;
`

// tablesSQL creates the table that pgherald watches and its twin with the naive trigger.
const tablesSQL = `
create schema bench;

create table bench.watched (n bigint primary key, sent bigint not null, pad text not null);
create table bench.naive (like bench.watched including all);

create trigger naive_notify
after insert on bench.naive
for each row execute function public.naive_notify();
`

// The column sent is the database's clock in Unix µs, just before the COMMIT.
const (
	watchedInsert = `insert into bench.watched (n, sent, pad) values ($1, (extract(epoch from clock_timestamp()) * 1000000)::bigint, $2)`
	naiveInsert   = `insert into bench.naive (n, sent, pad) values ($1, (extract(epoch from clock_timestamp()) * 1000000)::bigint, $2)`
)

// Approximate bytes of a frame without the padding.
const (
	watchedOverhead    = 134
	naiveOverhead      = 62
	centrifugoOverhead = 110
	mercureOverhead    = 115
)

func (fx *fixture) createTables() error {
	if _, err := fx.conn.Exec(fx.ctx, naiveFunctionSQL+tablesSQL); err != nil {
		return fmt.Errorf("create the benchmark's tables: %w", err)
	}
	return nil
}

// padding returns a text like that of a row, whose compression is a fair measure: words that come again in other rows, and
// an id and a number that do not.
func padding(n int64, size int) string {
	mix := uint64(n) * 0x9e3779b97f4a7c15
	word := func(shift int, of ...string) string { return of[int(mix>>shift)%len(of)] }
	text := fmt.Sprintf("id %016x%016x category %s status %s priority %d assignee %s title Check the %s of ward %d updated %d",
		mix, mix*mix, word(3, "Maintenance", "Cleaning", "Transport", "Care"), word(9, "open", "in_progress", "done"), mix>>17%5,
		word(23, "Ann Example", "Bob Sample", "Eve Specimen"), word(31, "pump", "bed", "door", "ventilator", "lift"), mix>>41%40, mix>>7)
	for len(text) < size {
		text += " " + text
	}
	return text[:max(0, size)]
}

// inserter returns a publisher that inserts the rows of each transaction. overhead is the size of a frame without its padding.
func (fx *fixture) inserter(sql string, overhead int) func(context.Context, writes.Offer) (writes.Published, error) {
	return func(ctx context.Context, o writes.Offer) (writes.Published, error) {
		open := func(ctx context.Context) (writes.Emit, func(), error) {
			conn, err := fx.connectWriter(ctx)
			if err != nil {
				return nil, nil, err
			}
			insert := func(ctx context.Context, n int64) error {
				_, err := conn.Exec(ctx, sql, n, padding(n, o.Bytes-overhead))
				return err
			}
			if o.Rows > 1 {
				insert = func(ctx context.Context, n int64) error { return insertRows(ctx, conn, sql, o, n, overhead) }
			}
			return insert, func() { _ = conn.Close(context.WithoutCancel(ctx)) }, nil
		}
		if o.Rows <= 1 {
			return writes.Publish(ctx, o, open)
		}
		transactions := o
		transactions.Rate /= float64(o.Rows)
		p, err := writes.Publish(ctx, transactions, open)
		p.Last = o.First + (p.Last-o.First+1)*int64(o.Rows) - 1
		return p, err
	}
}

// values matches the end of an insert of one row.
var values = regexp.MustCompile(`values \(\$1, (.*), \$2\)$`)

// insertRows inserts the rows of transaction number n of an offer in one statement.
func insertRows(ctx context.Context, conn *pgx.Conn, sql string, o writes.Offer, n int64, overhead int) error {
	sql = values.ReplaceAllString(sql, "select n, $1, pad from unnest($$1::bigint[], $$2::text[]) as rows (n, pad)")
	numbers, pads := make([]int64, o.Rows), make([]string, o.Rows)
	for i := range numbers {
		numbers[i] = o.First + (n-o.First)*int64(o.Rows) + int64(i)
		pads[i] = padding(numbers[i], o.Bytes-overhead)
	}
	_, err := conn.Exec(ctx, sql, numbers, pads)
	return err
}
