package e2e

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"

	"github.com/pgherald/pgherald/db/pgtest"
)

// TestReadersWithoutAStream lets writers overlap, with savepoints and rollbacks, while pages of a server, events_since and
// a job with consume read on from one cursor of pgherald.cursor(). Each must get every event of the log, once.
func TestReadersWithoutAStream(t *testing.T) {
	t.Parallel()
	ctx := testContext(t)
	url := pgtest.EmptyDatabase(t)
	n := newNode(url)
	startNodes(ctx, t, n)
	defer n.end(t)
	conn := pgtest.Connect(t, url)
	var start string
	if err := conn.QueryRow(ctx, `select pgherald.cursor()`).Scan(&start); err != nil {
		t.Fatal(err)
	}
	pgtest.Exec(t, conn, `select pgherald.reset_consumer('job', $1)`, start)
	var writers, readers sync.WaitGroup
	done := make(chan struct{})
	for w := range 4 {
		writers.Go(func() { publishAtRandom(ctx, t, url, w) })
	}
	go func() { writers.Wait(); close(done) }()
	got := map[string]*[]int64{"pages": {}, "events_since": {}, "consume": {}}
	readers.Go(func() { *got["pages"] = readPages(ctx, t, n, start, done) })
	for name, sql := range map[string]string{
		"events_since": `select e.id, e.cursor from pgherald.events_since($1, max => 7) as e`,
		"consume":      `select e.id, e.cursor from pgherald.consume('job', max => 7) as e where $1 <> ''`,
	} {
		readers.Go(func() { *got[name] = readSQL(ctx, t, url, sql, start, done) })
	}
	readers.Wait()
	rows, _ := conn.Query(ctx, `select id from pgherald.events order by id`)
	want, err := pgx.CollectRows(rows, pgx.RowTo[int64])
	if err != nil || len(want) < 300 {
		t.Fatalf("%d events, %v", len(want), err)
	}
	for name, ids := range got {
		slices.Sort(*ids)
		if diff := cmp.Diff(want, *ids); diff != "" {
			t.Errorf("%s (- log, + read):\n%s", name, diff)
		}
	}
}

// publishAtRandom writes transactions that overlap those of other writers.
func publishAtRandom(ctx context.Context, t *testing.T, url string, w int) {
	conn, err := pgx.Connect(ctx, url)
	if err != nil {
		t.Error(err)
		return
	}
	defer conn.Close(context.Background())
	r := rand.New(rand.NewPCG(uint64(w), 2))
	for range 60 {
		err := pgx.BeginFunc(ctx, conn, func(tx pgx.Tx) error {
			for range 1 + r.IntN(4) {
				if _, err := tx.Exec(ctx, `select pgherald.publish('a', '1') from generate_series(1, $1)`, 1+r.IntN(3)); err != nil {
					return err
				}
				if _, err := tx.Exec(ctx, []string{"select 1", "savepoint s; select pgherald.publish('b', '2'); rollback to savepoint s"}[r.IntN(2)]); err != nil {
					return err
				}
			}
			if r.IntN(4) == 0 {
				return tx.Rollback(ctx)
			}
			return nil
		})
		if err != nil && err != pgx.ErrTxClosed {
			t.Error(err)
		}
	}
}

// readPages reads pages until the writers have ended and nothing is left.
func readPages(ctx context.Context, t *testing.T, n *node, since string, done <-chan struct{}) (ids []int64) {
	for isLast := false; ; {
		select {
		case <-done:
			isLast = true
		default:
		}
		var page struct {
			Events []struct{ ID int64 }
			Cursor string
			Sync   any
		}
		body := get(ctx, t, n.at(fmt.Sprintf("/api/events?max=%d&wait=5s&since=%s", 1+rand.IntN(10), since)), "Accept", "application/json")
		if err := json.Unmarshal([]byte(body), &page); err != nil || page.Sync != nil {
			t.Errorf("%s, %v", body, err)
			return ids
		}
		for _, e := range page.Events {
			ids = append(ids, e.ID)
		}
		if since = page.Cursor; isLast && len(page.Events) == 0 {
			return ids
		}
	}
}

// readSQL runs a statement with the cursor of the last row, until the writers have ended and nothing is left.
func readSQL(ctx context.Context, t *testing.T, url, sql, since string, done <-chan struct{}) (ids []int64) {
	conn, err := pgx.Connect(ctx, url)
	if err != nil {
		t.Error(err)
		return nil
	}
	defer conn.Close(context.Background())
	for isLast := false; ; {
		select {
		case <-done:
			isLast = true
		default:
		}
		rows, _ := conn.Query(ctx, sql, since)
		var id int64
		var cursor *string
		tag, err := pgx.ForEachRow(rows, []any{&id, &cursor}, func() error {
			ids = append(ids, id)
			if cursor != nil {
				since = *cursor
			}
			return nil
		})
		if err != nil {
			t.Error(err)
			return ids
		}
		if isLast && tag.RowsAffected() == 0 {
			return ids
		}
	}
}
