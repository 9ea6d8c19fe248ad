package e2e

import (
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/pgherald/pgherald/cmd/internal/e2e/judge"
	"github.com/pgherald/pgherald/db/pgtest"
)

// TestNoteWhileTheActivityIsChanged adds a note while somebody in psql is in the middle of a
// transaction. Each of the two events shows the whole activity, and whichever comes last must not
// show it without what the other one has done.
func TestNoteWhileTheActivityIsChanged(t *testing.T) {
	t.Parallel()
	tr := newTrial(t, pgtest.NewDatabase(t), judge.ActivityCounters())
	n := tr.node(tr.url)
	startNodes(tr.ctx, t, n)
	page := tr.observe(n, n)
	conn := pgtest.Connect(t, tr.url)
	pgtest.Exec(t, conn, `begin`)
	pgtest.Exec(t, conn, `update public.activities set status = 'closed' where id = $1`, tr.rows[0])
	answered := make(chan struct{})
	tr.writing.Go(func() {
		defer close(answered)
		status, _, answer, err := tr.call(http.MethodPost, n.at("/api/activities/"+tr.rows[0]+"/notes"), `{"notes":"a note","authorId":"a"}`)
		if err != nil || status != http.StatusCreated {
			tr.fail(fmt.Errorf("add a note: status %d, %w\n%s", status, err, answer))
		}
	})
	tr.waitForLock(answered)
	pgtest.Exec(t, conn, `commit`)
	<-answered
	conn = tr.end()
	want, err := readBoard(tr.ctx, conn)
	if err != nil {
		t.Fatal(err)
	}
	tr.compareBoards([]observer{page}, want)
}

// waitForLock returns when somebody waits for a lock in the database, or has come through.
func (tr *trial) waitForLock(through <-chan struct{}) {
	tr.t.Helper()
	const waiting = `
select exists (
    select from pg_stat_activity
    where datname = current_database() and wait_event_type = 'Lock'
)`
	conn := pgtest.Connect(tr.t, tr.url)
	for found := false; !found; {
		select {
		case <-through:
			return
		default:
		}
		if err := conn.QueryRow(tr.ctx, waiting).Scan(&found); err != nil {
			tr.t.Fatal(err, tr.failure())
		}
		pause(tr.ctx, time.Millisecond)
	}
}
