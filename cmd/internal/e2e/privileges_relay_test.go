package e2e

import (
	"context"
	"slices"
	"strings"
	"testing"

	"github.com/pgherald/pgherald/db/pgtest"
	"github.com/pgherald/pgherald/db/redistest"
)

// useRelay runs a relay as the server's role, and an edge.
func useRelay(ctx context.Context, t *testing.T, p *privileges, spec string) {
	t.Helper()
	redis := redistest.Start(t)
	relay := relayProgram(t, p.as("pgherald_server"), redis, "--spec="+spec)
	edge := newEdge(redis, requireTokens)
	startNodes(ctx, t, edge)
	defer edge.end(t)
	ann := follow(ctx, t, edge, "ann")
	pgtest.Exec(t, p.connect("app_writer"), `insert into app.orders values (3, 1, 'relayed')`)
	ann.to(`"status":"relayed"`)
	conn := p.connect("pgherald_server")
	waitFor(ctx, t, "ann to be online", func() (isOnline bool) {
		if err := conn.QueryRow(ctx, `select exists (select from pgherald.presence as p where p.user_id = 'ann')`).Scan(&isOnline); err != nil {
			t.Fatal(err)
		}
		return isOnline
	})
	relay.stop(t)
	denied := slices.DeleteFunc(strings.Split(relay.log.String(), "\n"), func(line string) bool { return !strings.Contains(line, "42501") })
	if len(denied) > 0 {
		t.Errorf("the relay lacks rights:\n%s", strings.Join(denied, "\n"))
	}
}
