package outages

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/jackc/pgx/v5"
)

// writeSingle updates one row that all share, without an explicit transaction.
func writeSingle(ctx context.Context, w *writer) error {
	var xid string
	err := w.conn.QueryRow(ctx, `update soak.items set amount = amount + 1 where id = $1 returning pg_catalog.pg_current_xact_id()::text`, w.hot()).Scan(&xid)
	if errors.Is(err, pgx.ErrNoRows) {
		return nil
	}
	if err == nil {
		w.committed = append(w.committed, xid)
	}
	return err
}

// writeChurn creates a row and deletes it, sometimes in one transaction.
func writeChurn(ctx context.Context, w *writer) error {
	id := w.newID("c")
	remove := func(tx pgx.Tx) error {
		_, err := tx.Exec(ctx, `delete from soak.items where id = $1`, id)
		return err
	}
	err := w.transact(ctx, pgx.ReadCommitted, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, `insert into soak.items (id, shard) values ($1, $2)`, id, w.shard()); err != nil {
			return err
		}
		if w.rng.IntN(4) == 0 {
			return remove(tx)
		}
		return nil
	})
	if err != nil || w.rng.IntN(3) == 0 {
		return err // the row may stay
	}
	return w.transact(ctx, pgx.ReadCommitted, remove)
}

// writeBulk updates many rows in one statement, in the order of their names.
func writeBulk(ctx context.Context, w *writer) error {
	return w.transact(ctx, pgx.ReadCommitted, func(tx pgx.Tx) error {
		_, err := tx.Exec(ctx, `
update soak.items set amount = amount + 1
where id in (select id from soak.items where id like 'i-%' and amount % 2 = $1 order by id for update)`, w.rng.IntN(2))
		if err != nil {
			return err
		}
		_, err = tx.Exec(ctx, `insert into soak.scraps (id, shard) select $1 || n, 's' || n % 4 from generate_series(1, 60) as n on conflict do nothing`, w.newID("b"))
		return err
	})
}

// writeCopy copies rows into a table and deletes them at once.
func writeCopy(ctx context.Context, w *writer) error {
	prefix := w.newID("copy")
	err := w.transact(ctx, pgx.ReadCommitted, func(tx pgx.Tx) error {
		rows := make([][]any, 20+w.rng.IntN(80))
		for i := range rows {
			rows[i] = []any{fmt.Sprintf("%s-%d", prefix, i), w.shard()}
		}
		_, err := tx.CopyFrom(ctx, pgx.Identifier{"soak", "items"}, []string{"id", "shard"}, pgx.CopyFromRows(rows))
		return err
	})
	if err != nil {
		return err
	}
	return w.transact(ctx, pgx.ReadCommitted, func(tx pgx.Tx) error {
		_, err := tx.Exec(ctx, `delete from soak.items where id like $1`, prefix+"-%")
		return err
	})
}

// writeSavepoints rolls back parts of a transaction, one of them after an error.
func writeSavepoints(ctx context.Context, w *writer) error {
	return w.transact(ctx, pgx.ReadCommitted, func(tx pgx.Tx) error {
		id := w.newID("sp")
		if _, err := tx.Exec(ctx, `insert into soak.items (id, shard) values ($1, $2)`, id, w.shard()); err != nil {
			return err
		}
		for n := range 1 + w.rng.IntN(4) {
			inner, err := tx.Begin(ctx)
			if err != nil {
				return err
			}
			if _, err := inner.Exec(ctx, `update soak.items set note = $2 where id = $1`, id, fmt.Sprint("part ", n)); err != nil {
				return err
			}
			switch w.rng.IntN(3) {
			case 0:
				err = inner.Commit(ctx)
			case 1:
				err = inner.Rollback(ctx)
			default:
				_, _ = inner.Exec(ctx, `select 1 / 0`)
				err = inner.Rollback(ctx)
			}
			if err != nil {
				return err
			}
		}
		return nil
	})
}

// writeCascades creates a parent with children, changes its key or deletes it: both reach the children.
func writeCascades(ctx context.Context, w *writer) error {
	id := w.newID("p")
	err := w.transact(ctx, pgx.ReadCommitted, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, `insert into soak.parents (id, shard) values ($1, $2)`, id, w.shard()); err != nil {
			return err
		}
		_, err := tx.Exec(ctx, `insert into soak.children (id, parent_id, shard) select $1 || '-' || n, $1, 's' || n % 4 from generate_series(1, 1 + $2) as n`, id, w.rng.IntN(6))
		return err
	})
	if err != nil {
		return err
	}
	return w.transact(ctx, pgx.ReadCommitted, func(tx pgx.Tx) error {
		if w.rng.IntN(2) == 0 {
			if _, err := tx.Exec(ctx, `update soak.parents set id = id || '-moved' where id = $1`, id); err != nil {
				return err
			}
			id += "-moved"
		}
		_, err := tx.Exec(ctx, `delete from soak.parents where id = $1`, id)
		return err
	})
}

// writeTables writes to several tables in one transaction.
func writeTables(ctx context.Context, w *writer) error {
	id := w.newID("t")
	return w.transact(ctx, pgx.ReadCommitted, func(tx pgx.Tx) error {
		return execAll(ctx, tx,
			fmt.Sprintf(`insert into soak.items (id, shard) values ('%s', '%s')`, id, w.shard()),
			fmt.Sprintf(`insert into soak.parents (id, shard) values ('%s', '%s')`, id, w.shard()),
			fmt.Sprintf(`update soak.items set amount = 7 where id = '%s'`, id),
			fmt.Sprintf(`insert into soak.children (id, parent_id, shard) values ('%s', '%s', '%s')`, id, id, w.shard()),
			fmt.Sprintf(`delete from soak.items where id = '%s'`, id),
			fmt.Sprintf(`delete from soak.parents where id = '%s'`, id))
	})
}

// writeLong keeps a transaction open while hundreds of others commit.
func writeLong(ctx context.Context, w *writer) error {
	return writeSlowly(ctx, w, 200*time.Millisecond+time.Duration(w.rng.Int64N(int64(1500*time.Millisecond))))
}

// writeLonger keeps a transaction open for seconds.
func writeLonger(ctx context.Context, w *writer) error {
	return writeSlowly(ctx, w, 2*time.Second+time.Duration(w.rng.Int64N(int64(5*time.Second))))
}

func writeSlowly(ctx context.Context, w *writer, open time.Duration) error {
	return w.transact(ctx, pgx.ReadCommitted, func(tx pgx.Tx) error {
		id := w.newID("l")
		if _, err := tx.Exec(ctx, `insert into soak.items (id, shard) values ($1, $2)`, id, w.shard()); err != nil {
			return err
		}
		pause(ctx, open)
		if w.rng.IntN(5) == 0 {
			return errUndo
		}
		_, err := tx.Exec(ctx, `update soak.items set note = 'late' where id = $1`, id)
		return err
	})
}

// writeKeys moves a row from key to key, and frees keys that are used again.
func writeKeys(ctx context.Context, w *writer) error {
	a, b := fmt.Sprintf("k-%d", w.rng.IntN(6)), fmt.Sprintf("k-%d", 6+w.rng.IntN(6))
	return w.transact(ctx, pgx.ReadCommitted, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, `insert into soak.items (id, shard) values ($1, $2) on conflict do nothing`, a, w.shard()); err != nil {
			return err
		}
		if _, err := tx.Exec(ctx, `delete from soak.items where id = $1`, b); err != nil {
			return err
		}
		if _, err := tx.Exec(ctx, `update soak.items set id = $2 where id = $1`, a, b); err != nil {
			return err
		}
		_, err := tx.Exec(ctx, `update soak.items set amount = amount + 1 where id = $1`, b)
		return err
	})
}

// writeScraps fills a table and truncates it now and then, also in a transaction that goes on.
func writeScraps(ctx context.Context, w *writer) error {
	return w.transact(ctx, pgx.ReadCommitted, func(tx pgx.Tx) error {
		if w.rng.IntN(20) == 0 {
			if _, err := tx.Exec(ctx, `truncate soak.scraps`); err != nil {
				return err
			}
		}
		_, err := tx.Exec(ctx, `insert into soak.scraps (id, shard) values ($1, $2)`, w.newID("x"), w.shard())
		return err
	})
}

// writeSerializable reads and writes rows that others change; the conflicts roll it back.
func writeSerializable(ctx context.Context, w *writer) error {
	return w.transact(ctx, pgx.Serializable, func(tx pgx.Tx) error {
		var sum int64
		if err := tx.QueryRow(ctx, `select sum(amount) from soak.items where id between 'i-1' and 'i-19'`).Scan(&sum); err != nil {
			return err
		}
		_, err := tx.Exec(ctx, `update soak.items set amount = $2 % 1000 where id = $1`, w.hot(), sum)
		return err
	})
}

// writeRollbacks writes a lot and takes it back.
func writeRollbacks(ctx context.Context, w *writer) error {
	return w.transact(ctx, pgx.ReadCommitted, func(tx pgx.Tx) error {
		prefix := w.newID("r")
		_, err := tx.Exec(ctx, `insert into soak.items (id, shard) select $1 || n, 's' || n % 4 from generate_series(1, 30) as n`, prefix)
		if err != nil {
			return err
		}
		return errUndo
	})
}

// writeUpserts inserts or updates, and writes several tables in one statement.
func writeUpserts(ctx context.Context, w *writer) error {
	return w.transact(ctx, pgx.ReadCommitted, func(tx pgx.Tx) error {
		_, err := tx.Exec(ctx, `
with item as (
    insert into soak.items (id, shard) values ($1, $2)
    on conflict (id) do update set amount = soak.items.amount + 1
    returning id
)
insert into soak.parents (id, shard) select $3 || id, $2 from item`, fmt.Sprintf("u-%d", w.rng.IntN(10)), w.shard(), w.newID("u"))
		return err
	})
}

// writeNested writes within a function, whose exceptions make subtransactions.
func writeNested(ctx context.Context, w *writer) error {
	return w.transact(ctx, pgx.ReadCommitted, func(tx pgx.Tx) error {
		_, err := tx.Exec(ctx, fmt.Sprintf(`
do $do$
begin
    for n in 1..8 loop
        begin
            insert into soak.items (id, shard) values ('%s-' || n, 's' || n %% 4);
            if n %% 3 = 0 then
                raise exception 'undo';
            end if;
        exception when raise_exception then null;
        end;
    end loop;
    delete from soak.items where id like '%[1]s-%%';
end
$do$`, w.newID("n")))
		return err
	})
}

// writePsql writes as another service does: with psql.
func writePsql(ctx context.Context, w *writer, n *network) error {
	id := w.newID("psql")
	_, err := n.run(ctx, hostWriters, fmt.Sprintf(`
begin;
insert into soak.items (id, shard) values ('%s', 's1');
savepoint a;
update soak.items set note = 'in psql' where id = '%[1]s';
rollback to a;
\copy soak.scraps (id, shard) from stdin
%[1]s	s2
\.
commit;
delete from soak.items where id = '%[1]s';
`, id), "psql", "-X", "-q", "-v", "ON_ERROR_STOP=1", w.pair.url("app")+"&connect_timeout=5")
	return err
}

// writeAPI writes through the API of a replica, as a browser does.
func writeAPI(ctx context.Context, w *writer, client *http.Client, replicas []*instance) error {
	base := replicas[w.rng.IntN(len(replicas))].url()
	status, path, err := post(ctx, client, http.MethodPost, base+"/api/activities",
		`{"category":"soak","subcategory":"s","location":"`+w.shard()+`","reporter":"r","assignedTo":"ann"}`)
	if err != nil || status != http.StatusCreated {
		return fmt.Errorf("create an activity: %d %s: %w", status, path, err)
	}
	custom, _ := json.Marshal(map[string]any{"type": "soak_note", "key": w.newID("note"), "data": map[string]string{"shard": w.shard()}})
	for _, call := range []struct{ method, path, body string }{
		{http.MethodPut, path, `{"status":"busy","notes":"on it","authorId":"bob"}`},
		{http.MethodPost, path + "/notes", `{"notes":"done","authorId":"bob"}`},
		{http.MethodPut, path + "/assignment", `{"assigneeId":"eve"}`},
		{http.MethodPost, "/api/events", string(custom)},
		{http.MethodDelete, path, ""},
	} {
		status, text, err := post(ctx, client, call.method, base+call.path, call.body)
		if err != nil || status >= http.StatusMultipleChoices {
			return fmt.Errorf("%s %s: %d %s: %w", call.method, call.path, status, text, err)
		}
	}
	return nil
}
