package bench

import (
	"context"
	"fmt"
	"strings"

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
	watchedOverhead = 134
	naiveOverhead   = 62
)

func (fx *fixture) createTables() error {
	if _, err := fx.conn.Exec(fx.ctx, naiveFunctionSQL+tablesSQL); err != nil {
		return fmt.Errorf("create the benchmark's tables: %w", err)
	}
	return nil
}

// inserter returns a publisher that inserts one row in one transaction for each event. overhead is the size
// of a frame without its padding.
func (fx *fixture) inserter(sql string, overhead int) func(context.Context, writes.Offer) (writes.Published, error) {
	return func(ctx context.Context, o writes.Offer) (writes.Published, error) {
		pad := strings.Repeat("x", max(0, o.Bytes-overhead))
		return writes.Publish(ctx, o, func(ctx context.Context) (writes.Emit, func(), error) {
			conn, err := pgx.Connect(ctx, fx.url)
			if err != nil {
				return nil, nil, fmt.Errorf("connect to publish: %w", err)
			}
			insert := func(ctx context.Context, n int64) error {
				_, err := conn.Exec(ctx, sql, n, pad)
				return err
			}
			return insert, func() { _ = conn.Close(context.WithoutCancel(ctx)) }, nil
		})
	}
}
