package e2e

import (
	"fmt"
	"net/http"
	"testing"

	"github.com/pgherald/pgherald/cmd/internal/e2e/judge"
	"github.com/pgherald/pgherald/db/pgtest"
)

// TestNoteDuringAnUpdate adds a note while another transaction has changed the activity. Each of the two
// events contains the whole activity, so the later one must contain both changes.
func TestNoteDuringAnUpdate(t *testing.T) {
	t.Parallel()
	tr := newTrial(t, pgtest.NewDatabase(t), judge.ActivityCounters())
	n := tr.node(tr.url)
	startNodes(tr.ctx, t, n)
	follower := tr.openPage(n, n)
	conn := pgtest.Connect(t, tr.url)
	pgtest.Exec(t, conn, `begin`)
	pgtest.Exec(t, conn, `update public.activities set status = 'closed' where id = $1`, tr.rows[0])
	answered := make(chan struct{})
	tr.writing.Go(func() {
		defer close(answered)
		status, _, answer, err := tr.call(http.MethodPost, n.at("/api/activities/"+tr.rows[0]+"/notes"), `{"notes":"a note","authorId":"a"}`)
		for err == nil && notYet(status) { // it has waited for the lock for too long
			status, _, answer, err = tr.call(http.MethodPost, n.at("/api/activities/"+tr.rows[0]+"/notes"), `{"notes":"a note","authorId":"a"}`)
		}
		if err != nil || status != http.StatusCreated {
			tr.fail(fmt.Errorf("add a note: status %d, %w\n%s", status, err, answer))
		}
	})
	pgtest.AwaitLockWait(t, pgtest.Connect(t, tr.url), pgtest.LockWait{HasEnded: func() bool {
		select {
		case <-answered:
			return true
		default:
			return false
		}
	}})
	pgtest.Exec(t, conn, `commit`)
	<-answered
	conn = tr.end()
	want, err := readBoard(tr.ctx, conn)
	if err != nil {
		t.Fatal(err)
	}
	tr.comparePages([]page{follower}, want)
}
