package bench

import (
	"context"
	"fmt"
)

// benchSpec watches the lab's table.
const benchSpec = `tables:
  - name: bench.watched
    on: { insert: item }
    payload: { n: n.n, sent: n.sent, pad: n.pad }
`

// naiveFunctionSQL makes the function of the trigger that most people would write, whatever the table:
// the row in the notification.
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

// tablesSQL makes the table that pgherald watches, and its twin with the trigger that most people
// would write: the row in the notification.
const tablesSQL = `
create schema bench;

create table bench.watched (n bigint primary key, sent bigint not null, pad text not null);
create table bench.naive (like bench.watched including all);

create trigger naive_notify
after insert on bench.naive
for each row execute function public.naive_notify();
`

// The time in a row is that of the database's clock, just before the COMMIT.
const (
	watchedInsert = `insert into bench.watched (n, sent, pad) values ($1, (extract(epoch from clock_timestamp()) * 1000000)::bigint, $2)`
	naiveInsert   = `insert into bench.naive (n, sent, pad) values ($1, (extract(epoch from clock_timestamp()) * 1000000)::bigint, $2)`
)

// About how long a frame is without its padding.
const (
	watchedOverhead = 134
	naiveOverhead   = 62
)

func (l *lab) makeTables(ctx context.Context) error {
	if _, err := l.conn.Exec(ctx, naiveFunctionSQL+tablesSQL); err != nil {
		return fmt.Errorf("create the benchmark's tables: %w", err)
	}
	return nil
}
