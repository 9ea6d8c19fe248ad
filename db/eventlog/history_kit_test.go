package eventlog_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/pgherald/pgherald/stream"
)

// envelope is an event as clients receive it.
type envelope struct {
	ID  int64
	XID string
}

func readEnvelope(t *testing.T, text []byte) (e envelope) {
	t.Helper()
	if err := json.Unmarshal(text, &e); err != nil {
		t.Fatalf("%v: %s", err, text)
	}
	return e
}

// walk is a client that reads the history in pages, while others write.
type walk struct {
	types, keys, grants []string
	before              stream.Position
	cursor              stream.Cursor
	want, got           []string // "XID/ID", in the order of the pages
	isDone              bool
}

// visibleSQL selects the events that a client with these types, keys and grants may see.
const visibleSQL = `
select e.xid::text || '/' || e.id
from pgherald.events as e
where ($1::text[] is null or e.type = any($1)) and ($2::text[] is null or e.key = any($2))
    and (e.audience is null or '*' = any(e.audience) or e.audience && $3)
order by e.xid desc, e.id desc`

func (w *walk) begin(t *testing.T, conn *pgx.Conn) {
	t.Helper()
	rows, err := conn.Query(t.Context(), visibleSQL, w.types, w.keys, w.grants)
	if err != nil {
		t.Fatal(err)
	}
	if w.want, err = pgx.CollectRows(rows, pgx.RowTo[string]); err != nil {
		t.Fatal(err)
	}
}

// page reads the next page. Its events are those of the transactions, in reverse order: their sort by id is undone.
func (w *walk) page(t *testing.T, log stream.HistoryLog, max int) {
	t.Helper()
	params := map[string][]string{}
	for name, values := range map[string][]string{"types": w.types, "key": w.keys} {
		if values != nil {
			params[name] = values
		}
	}
	filter, err := stream.ParseFilter(params, nil)
	if err != nil {
		t.Fatal(err)
	}
	page, err := stream.ReadHistory(t.Context(), log, nil, stream.HistoryQuery{
		Filter: filter.WithGrants(w.grants), Before: w.before, Max: max, Bytes: 1 << 20,
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(page.Events) > max {
		t.Fatalf("%d events in a page of %d", len(page.Events), max)
	}
	if !w.cursor.IsZero() && !w.cursor.Equal(page.Cursor) {
		t.Fatalf("the cursor was %s, and is %s", w.cursor, page.Cursor)
	}
	var ids []int64
	var events []string
	for _, e := range page.Events {
		read := readEnvelope(t, e)
		ids, events = append(ids, read.ID), append(events, fmt.Sprintf("%s/%d", read.XID, read.ID))
	}
	if !slices.IsSortedFunc(ids, func(a, b int64) int { return int(b - a) }) {
		t.Fatalf("the ids are %d", ids)
	}
	slices.SortFunc(events, comparePast)
	w.got, w.cursor = append(w.got, events...), page.Cursor
	// The position goes through its text, as with a client.
	if w.isDone = page.Before.IsZero(); !w.isDone {
		if w.before, err = stream.ParsePosition(page.Before.String()); err != nil {
			t.Fatal(err)
		}
	}
}

// comparePast orders "XID/ID" in reverse.
func comparePast(a, b string) int {
	var xa, xb, ia, ib int64
	_, errA := fmt.Sscanf(a, "%d/%d", &xa, &ia)
	_, errB := fmt.Sscanf(b, "%d/%d", &xb, &ib)
	if errA != nil || errB != nil {
		panic("no event: " + a + ", " + b)
	}
	if xa != xb {
		return int(xb - xa)
	}
	return int(ib - ia)
}
