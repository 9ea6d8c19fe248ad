package e2e

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/pgherald/pgherald/db/pgtest"
)

// releaseLimit bounds the time for which a dead server may hold a lock: without the bounds of its sessions that is forever.
const releaseLimit = 4 * time.Minute

// TestDeadReplica freezes a server while it holds locks in a transaction. The others write and prune, and a new server
// starts, although the frozen one never ends its transaction.
//
// Each moment blocks the server with a lock of the test, freezes it, and lets PostgreSQL finish the statement, whose
// transaction then waits for its client.
func TestDeadReplica(t *testing.T) {
	t.Parallel()
	binary := buildProgram(t)
	parts := newParts(t)
	defer parts.wait()
	for name, moment := range map[string]struct {
		block, waiting string // the statement that blocks the server, and a part of the statement that it waits in
		free           string // what the dead server must not block
	}{
		"put":      {`lock table public.activity_updates in share mode`, "notes", `update public.activities set location = 'free'`},
		"prune":    {`select from pgherald.log for update`, "pruned_below", `update pgherald.log set pruned_below = pruned_below`},
		"presence": {`lock table pgherald.presence in share mode`, "pgherald.presence", `update pgherald.locks set name = name where name = 'presence'`},
	} {
		parts.run(name, func(t *testing.T) {
			ctx := testContext(t)
			database := pgtest.NewDatabase(t)
			p, at := serveProgram(t, binary, database, "--retain-age=1ns")
			id := postActivity(ctx, t, at)
			other, tx := pgtest.Connect(t, database), pgtest.Begin(t, database)
			if _, err := tx.Exec(ctx, moment.block); err != nil {
				t.Fatal(err)
			}
			if name == "prune" { // a server prunes when it starts, and then once a minute
				p, _ = serveProgram(t, binary, database, "--retain-age=1ns")
			}
			go occupy(ctx, at, id)
			waitFor(ctx, t, "the server to wait", func() bool {
				var n int
				err := other.QueryRow(ctx, `select count(*) from pg_stat_activity where datname = current_database()
					and application_name like 'pgherald%' and wait_event_type = 'Lock' and query like '%' || $1 || '%'`, moment.waiting).Scan(&n)
				return err == nil && n > 0
			})
			p.signal(t, syscall.SIGSTOP)
			pgtest.Rollback(t, tx)

			began := time.Now()
			limited, cancel := context.WithTimeout(ctx, releaseLimit)
			defer cancel()
			if _, err := other.Exec(limited, moment.free); err != nil {
				t.Fatalf("a frozen server holds its locks: %v", err)
			}
			t.Logf("free after %v", time.Since(began).Round(time.Millisecond))
			next, _ := serveProgram(t, binary, database)
			t.Logf("a new server serves after %v", time.Since(began).Round(time.Millisecond))
			next.signal(t, syscall.SIGTERM)
			<-next.ended
		})
	}
}

// occupy writes to an activity, and then follows the stream as a user, until the test ends. A write that has waited for the lock
// for too long is repeated.
func occupy(ctx context.Context, at, id string) {
	for status := http.StatusServiceUnavailable; notYet(status) && ctx.Err() == nil; {
		put, _ := http.NewRequestWithContext(ctx, http.MethodPut, at+"/api/activities/"+id,
			strings.NewReader(`{"notes":"by a server that freezes","authorId":"ann"}`))
		put.Header.Set("Content-Type", "application/json")
		status = discard(put)
	}
	stream, _ := http.NewRequestWithContext(ctx, http.MethodGet, at+"/api/events?user=ann", nil)
	discard(stream) // one that ended at once would leave no presence to write
}

// discard reads the answer to a request to its end, and returns its status.
func discard(request *http.Request) int {
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return 0
	}
	defer response.Body.Close()
	_, _ = io.Copy(io.Discard, response.Body)
	return response.StatusCode
}

// postActivity creates an activity and returns its id.
func postActivity(ctx context.Context, t *testing.T, at string) string {
	t.Helper()
	lines := openStream(ctx, t, at+"/api/events")
	readTo(t, lines, `"sync"`)
	if status := postJSON(ctx, t, at+"/api/activities", activity); status != http.StatusCreated {
		t.Fatalf("POST: status %d", status)
	}
	text := readTo(t, lines, "activity_created")
	_, rest, _ := strings.Cut(text[strings.Index(text, "activity_created"):], `"data":{"id":"`)
	id, _, found := strings.Cut(rest, `"`)
	if !found {
		t.Fatal(fmt.Errorf("no id in %s", text))
	}
	return id
}
