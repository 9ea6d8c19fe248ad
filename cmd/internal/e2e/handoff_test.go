package e2e

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"

	"github.com/pgherald/pgherald/cmd/internal/e2e/judge"
	"github.com/pgherald/pgherald/db/pgtest"
	"github.com/pgherald/pgherald/stream/streamtest"
)

// card is what a dashboard shows of an activity. The list and the events name its fields alike.
type card struct {
	ID, Category, Subcategory, Location, Status, Reporter string

	AssignedTo   *string
	LatestUpdate *struct{ Notes, AuthorID, UpdateType string }
}

// board is a dashboard: loaded from the list, and kept up by events.
type board map[string]card

// apply does what a page does with an event. There is no event about a card that is not there,
// and none that makes one that is: that would be a gap, or an overlap.
func (b board) apply(e streamtest.Envelope) error {
	var about struct{ ID string }
	if err := json.Unmarshal(e.Data, &about); err != nil {
		return err
	}
	c, there := b[about.ID]
	if there == (e.Type == "activity_created") {
		return fmt.Errorf("%s %s came, and the card is there: %v", e.Type, e.Data, there)
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

// loadBoard reads the list, and where the stream goes on from there.
func (tr *trial) loadBoard(n *node) (board, string, error) {
	status, header, body, err := tr.call(http.MethodGet, n.at("/api/activities?limit=500"), "")
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
		return nil, "", fmt.Errorf("the list goes on at %v, its cursor is %q and %q", page.Next, page.Cursor, header)
	}
	b := make(board)
	for _, c := range page.Activities {
		b[c.ID] = c
	}
	return b, page.Cursor, nil
}

// The table as it is in the end, without asking pgherald.
const boardSQL = `
select json_build_object(
    'id', a.id, 'category', a.category, 'subcategory', a.subcategory, 'location', a.location,
    'status', a.status, 'reporter', a.reporter, 'assignedTo', s.assignee_id, 'latestUpdate', (
        select json_build_object('notes', u.notes, 'authorId', u.author_id, 'updateType', u.update_type)
        from public.activity_updates as u where u.activity_id = a.id order by u.id desc limit 1))
from public.activities as a left join public.assignments as s on s.activity_id = a.id`

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

// observer is a page that loads the list while others write, and then follows the stream.
type observer struct {
	board board
	*subscriber
}

// TestSnapshotHandOff has pages load the list in the middle of everything, and follow the stream
// from the cursor that came with it. In the end every page shows what is in the tables.
func TestSnapshotHandOff(t *testing.T) {
	t.Parallel()
	tr := newTrial(t, pgtest.NewDatabase(t), judge.ActivityCounters())
	nodes := []*node{tr.node(tr.url), tr.node(tr.url, smallFeed)}
	startNodes(tr.ctx, t, nodes...)
	for i := range 6 {
		tr.edit(nodes[i%2])
	}
	tr.editInSQL()
	var observers []observer
	for range 24 {
		tr.waitCommits(8)
		observers = append(observers, tr.observe(nodes[tr.rng().IntN(2)], nodes...))
	}
	tr.waitCommits(8)
	conn := tr.end()
	want, err := readBoard(tr.ctx, conn)
	if err != nil {
		t.Fatal(err)
	}
	tr.compareBoards(observers, want)
}

func (tr *trial) observe(at *node, nodes ...*node) observer {
	tr.t.Helper()
	b, cursor, err := tr.loadBoard(at)
	if err != nil {
		tr.t.Fatal(err, tr.failure())
	}
	s := tr.subscriber("page "+cursor, nodes...)
	s.Cursor = cursor
	s.atRandom(60_000)
	tr.subscribe(s)
	return observer{b, s}
}

func (tr *trial) compareBoards(observers []observer, want board) {
	tr.t.Helper()
	events := 0
	for _, o := range observers {
		loaded := maps.Clone(o.board)
		for _, e := range o.Events() {
			if err := o.board.apply(e); err != nil {
				tr.t.Fatalf("%s: %v", o.name, err)
			}
		}
		if diff := cmp.Diff(want, o.board); diff != "" || o.Resets > 0 {
			tr.t.Fatalf("%s with %d cards and %d events ends elsewhere than the tables (-tables +page), %d resets:\n%s",
				o.name, len(loaded), len(o.Events()), o.Resets, diff)
		}
		events += len(o.Events())
	}
	tr.t.Logf("%d pages ended with the %d cards of the tables, over %d events; %d writes", len(observers), len(want), events, tr.commits.value())
}

// edit changes activities through the API until the writers are to end.
func (tr *trial) edit(n *node) {
	rng := tr.rng()
	tr.writing.Go(func() {
		var mine []string // made by this editor
		for tr.quitted.Err() == nil {
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

// editInSQL changes the same activities as somebody in psql does.
func (tr *trial) editInSQL() {
	rng := tr.rng()
	conn := pgtest.Connect(tr.t, tr.url)
	tr.writing.Go(func() {
		const update = `update public.activities set status = $2 where id = $1`
		for tr.quitted.Err() == nil {
			if _, err := conn.Exec(tr.ctx, update, tr.rows[rng.IntN(4)], fmt.Sprint("sql", rng.IntN(100))); err != nil {
				tr.fail(err)
				return
			}
			tr.commits.add()
		}
	})
}

// call makes one request to the API.
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
