package e2e

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"

	"github.com/pgherald/pgherald/cmd/internal/e2e/judge"
	"github.com/pgherald/pgherald/db/pgtest"
	"github.com/pgherald/pgherald/stream/streamtest"
)

// card is an activity as a dashboard shows it. List and events have the same field names.
type card struct {
	ID, Category, Subcategory, Location, Status, Reporter string

	AssignedTo   *string
	LatestUpdate *struct{ Notes, AuthorID, UpdateType string }
}

// board is a dashboard, by the ids of activities: loaded from the list and updated by events.
type board map[string]card

// apply applies an event. An event about an unknown card would mean a gap between list and stream, and the
// creation of a known one an overlap: both are errors.
func (b board) apply(e streamtest.Envelope) error {
	var about struct{ ID string }
	if err := json.Unmarshal(e.Data, &about); err != nil {
		return err
	}
	c, exists := b[about.ID]
	if exists == (e.Type == "activity_created") {
		return fmt.Errorf("%s %s arrived, the card exists: %t", e.Type, e.Data, exists)
	}
	if e.Type == "activity_deleted" {
		delete(b, about.ID)
		return nil
	}
	if err := json.Unmarshal(e.Data, &c); err != nil {
		return err
	}
	b[about.ID] = c
	return nil
}

// loadBoard reads the list and its cursor.
func (tr *trial) loadBoard(n *node) (board, string, error) {
	status, header, body, err := tr.call(http.MethodGet, n.at("/api/activities?limit=500"), "")
	for err == nil && notYet(status) && tr.ctx.Err() == nil {
		pause(tr.ctx, askAgain)
		status, header, body, err = tr.call(http.MethodGet, n.at("/api/activities?limit=500"), "")
	}
	if err != nil || status != http.StatusOK {
		return nil, "", fmt.Errorf("load the list: status %d, %w", status, err)
	}
	var page struct {
		Activities []card
		Next       *string
		Cursor     string
	}
	if err := json.Unmarshal(body, &page); err != nil {
		return nil, "", err
	}
	if page.Next != nil || page.Cursor == "" || page.Cursor != header.Get("Pgherald-Cursor") {
		return nil, "", fmt.Errorf("the list has a next page (%v) or two cursors: %q and %q", page.Next, page.Cursor, header)
	}
	b := make(board)
	for _, c := range page.Activities {
		b[c.ID] = c
	}
	return b, page.Cursor, nil
}

// boardSQL selects the board from the tables.
const boardSQL = `
select json_build_object(
    'id', a.id, 'category', a.category, 'subcategory', a.subcategory, 'location', a.location,
    'status', a.status, 'reporter', a.reporter, 'assignedTo', s.assignee_id, 'latestUpdate', (
        select json_build_object('notes', u.notes, 'authorId', u.author_id, 'updateType', u.update_type)
        from public.activity_updates as u where u.activity_id = a.id order by u.id desc limit 1))
from public.activities as a left join public.assignments as s on s.activity_id = a.id`

// readBoard reads the board from the tables.
func readBoard(ctx context.Context, conn *pgx.Conn) (board, error) {
	b := make(board)
	rows, err := conn.Query(ctx, boardSQL)
	if err != nil {
		return nil, err
	}
	cards, err := pgx.CollectRows(rows, pgx.RowTo[card])
	for _, c := range cards {
		b[c.ID] = c
	}
	return b, err
}

// page is a client that loads the list and then follows the stream.
type page struct {
	board board
	*subscriber
}

// TestSnapshotAndStream loads the list on many pages while others write, and follows the stream from the
// list's cursor. At the end, each page must equal the tables.
func TestSnapshotAndStream(t *testing.T) {
	t.Parallel()
	tr := newTrial(t, pgtest.NewDatabase(t), judge.ActivityCounters())
	nodes := []*node{tr.node(tr.url), tr.node(tr.url, smallFeed)}
	startNodes(tr.ctx, t, nodes...)
	for i := range 6 {
		tr.edit(nodes[i%2])
	}
	tr.editInSQL()
	var pages []page
	for range 24 {
		tr.waitCommits(8)
		pages = append(pages, tr.openPage(nodes[tr.rng().IntN(2)], nodes...))
	}
	tr.waitCommits(8)
	conn := tr.end()
	want, err := readBoard(tr.ctx, conn)
	if err != nil {
		t.Fatal(err)
	}
	tr.comparePages(pages, want)
}

// openPage loads the list at one server and follows the stream at any of several.
func (tr *trial) openPage(at *node, nodes ...*node) page {
	tr.t.Helper()
	b, cursor, err := tr.loadBoard(at)
	if err != nil {
		tr.t.Fatal(err, tr.failure())
	}
	s := tr.subscriber("page "+cursor, nodes...)
	s.Cursor = cursor
	s.leaveAtRandom(60_000)
	tr.subscribe(s)
	return page{b, s}
}

// comparePages applies each page's events and compares its board with the tables.
func (tr *trial) comparePages(pages []page, want board) {
	tr.t.Helper()
	events := 0
	for _, p := range pages {
		loaded := len(p.board)
		for _, e := range p.Events() {
			if err := p.board.apply(e); err != nil {
				tr.t.Fatalf("%s: %v", p.name, err)
			}
		}
		if diff := cmp.Diff(want, p.board); diff != "" || p.Resets > 0 {
			tr.t.Fatalf("%s with %d cards, %d events and %d resets differs from the tables (-tables +page):\n%s",
				p.name, loaded, len(p.Events()), p.Resets, diff)
		}
		events += len(p.Events())
	}
	tr.t.Logf("%d pages have the %d cards of the tables, after %d events; %d writes", len(pages), len(want), events, tr.commits.value())
}

// edit changes activities through the API until the writers end.
func (tr *trial) edit(n *node) {
	rng := tr.rng()
	tr.writing.Go(func() {
		var mine []string // activities that this goroutine created
		for tr.writersDone.Err() == nil {
			method, path, body := "PUT", "/"+tr.rows[rng.IntN(4)], ""
			switch v := rng.IntN(100); rng.IntN(8) {
			case 0:
				method, path = "POST", ""
				body = fmt.Sprintf(`{"category":"c","subcategory":"0","location":"l","reporter":"r%d","assignedTo":"u%[1]d"}`, v)
			case 1:
				if len(mine) == 0 {
					continue
				}
				method, path, mine = "DELETE", "/"+mine[0], mine[1:]
			case 2:
				method, path, body = "POST", path+"/notes", fmt.Sprintf(`{"notes":"note %d","authorId":"a"}`, v)
			case 3:
				method, path = "DELETE", path+"/assignment"
			case 4:
				body = fmt.Sprintf(`{"assignedTo":"u%d"}`, v)
			case 5:
				body = fmt.Sprintf(`{"status":"s%d","assignedTo":null,"notes":"why %[1]d","authorId":"b"}`, v)
			default:
				body = fmt.Sprintf(`{"status":"s%d","location":"l%[1]d"}`, v)
			}
			status, header, answer, err := tr.call(method, n.at("/api/activities"+path), body)
			if err == nil && notYet(status) {
				continue // the writers keep rows locked for longer than the server waits
			}
			if err != nil || status >= 400 && status != http.StatusNotFound {
				tr.fail(fmt.Errorf("%s %s %s: status %d, %w\n%s", method, path, body, status, err, answer))
				return
			}
			if at := header.Get("Location"); at != "" {
				mine = append(mine, strings.TrimPrefix(at, "/api/activities/"))
			}
			tr.commits.add()
		}
	})
}

// editInSQL changes the same activities in SQL.
func (tr *trial) editInSQL() {
	rng := tr.rng()
	conn := tr.connectWriter()
	tr.writing.Go(func() {
		const update = `update public.activities set status = $2 where id = $1`
		for tr.writersDone.Err() == nil {
			if _, err := conn.Exec(tr.ctx, update, tr.rows[rng.IntN(4)], fmt.Sprint("sql", rng.IntN(100))); err != nil {
				tr.fail(err)
				return
			}
			tr.commits.add()
		}
	})
}

// call makes a request and returns the status, the header and the body.
func (tr *trial) call(method, url, body string) (int, http.Header, []byte, error) {
	req, err := http.NewRequestWithContext(tr.ctx, method, url, strings.NewReader(body))
	if err != nil {
		return 0, nil, nil, err
	}
	if body != "" {
		req.Header.Set("Content-Type", "application/json")
	}
	resp, err := tr.http.Do(req)
	if err != nil {
		return 0, nil, nil, err
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(resp.Body)
	return resp.StatusCode, resp.Header, answer, err
}
