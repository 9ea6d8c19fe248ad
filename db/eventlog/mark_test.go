package eventlog_test

import (
	"testing"

	"github.com/pgherald/pgherald/db/pgtest"
)

// Ids that the sequence has not given yet say nothing of those to come.
func TestMarksBelowTheSequence(t *testing.T) {
	conn := pgtest.Connect(t, pgtest.NewDatabase(t))
	pgtest.Exec(t, conn, `select pgherald.publish('note', '1') from generate_series(1, 50)`)
	pgtest.Exec(t, conn, `insert into pgherald.events (id, type, data) overriding system value values (1000000, 'note', '1')`)
	if got := queryText(t, conn, `select pgherald.mark(10)::text`); got != "true" {
		t.Fatalf("marked: %s", got)
	}
	if got := queryText(t, conn, `select string_agg(m.id::text, ' ') from pgherald.marks as m`); got != "49" {
		t.Errorf("marks at %s, want 49", got)
	}
	pgtest.Exec(t, conn, `update pgherald.marks set id = 51`)
	if got := queryText(t, conn, `select coalesce(m.id::text, 'none') from pgherald.mark_from('0') as m`); got != "none" {
		t.Errorf("a mark above the sequence: %s", got)
	}
}

// Without a spacing, the default one holds: a mark is not due after one event.
func TestMarkWithoutASpacing(t *testing.T) {
	conn := pgtest.Connect(t, pgtest.NewDatabase(t))
	pgtest.Exec(t, conn, `select pgherald.publish('note', '1')`)
	if got := queryText(t, conn, `select pgherald.mark(null)::text`); got != "false" {
		t.Errorf("marked: %s", got)
	}
}

// A published event draws its id when its transaction has its number, as marks suppose.
func TestPublishDrawsTheNumberFirst(t *testing.T) {
	conn := pgtest.Connect(t, pgtest.NewDatabase(t))
	pgtest.Exec(t, conn, `
		create function public.next_id() returns bigint language plpgsql as $$
		begin
			if pg_current_xact_id_if_assigned() is null then
				raise exception 'the id comes before the number of the transaction';
			end if;
			return 1;
		end
		$$;
		alter table pgherald.events alter id drop identity, alter id set default public.next_id()`)
	pgtest.Exec(t, conn, `select pgherald.publish('note', '1')`)
}
