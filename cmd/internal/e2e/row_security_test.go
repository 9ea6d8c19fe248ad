package e2e

import (
	"context"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/pgherald/pgherald/cmd/internal/server"
	"github.com/pgherald/pgherald/db/pgtest"
)

// TestRowSecurity sets up what docs/authentication.md describes: a role of its own for the activities API
// with those rights and no others, and a policy. The API obeys the policy; the triggers see all rows.
func TestRowSecurity(t *testing.T) {
	t.Parallel()
	ctx := testContext(t)
	databaseURL := pgtest.NewDatabase(t)
	conn := pgtest.Connect(t, databaseURL)
	first := newNode(databaseURL) // creates the tables
	startNodes(ctx, t, first)
	first.end(t)

	var role string
	if err := conn.QueryRow(ctx, `select current_database() || '_activities_api'`).Scan(&role); err != nil {
		t.Fatal(err)
	}
	quoted := pgx.Identifier{role}.Sanitize()
	pgtest.Exec(t, conn, strings.ReplaceAll(`
		create role @ login;
		grant select, insert, update, delete on activities, assignments, activity_updates to @;
		grant usage on schema pgherald to @;
		grant select (xid, id) on pgherald.events to @;
		grant select on pgherald.log, pgherald.recovered to @;
		alter table activities enable row level security;
		create policy own on activities using (reporter = current_setting('pgherald.user', true))`, "@", quoted))
	defer func() {
		if _, err := conn.Exec(context.WithoutCancel(ctx), `drop owned by `+quoted+` cascade; drop role `+quoted); err != nil {
			t.Error(err)
		}
	}()
	u, err := url.Parse(databaseURL)
	if err != nil {
		t.Fatal(err)
	}
	u.User = url.User(role)
	n := newNode(databaseURL, requireTokens, func(c *server.Config) {
		c.Tokens.WriteRole, c.Database.ActivitiesURL = "nurse", u.String()
	})
	startNodes(ctx, t, n)
	defer n.end(t)

	activities, alice := n.at("/api/activities"), bearer(t, "alice", "nurse")
	for reporter, want := range map[string]int{"alice": http.StatusCreated, "bob": http.StatusForbidden} {
		body := strings.Replace(activity, `"reporter":"r"`, `"reporter":"`+reporter+`"`, 1)
		if status := postJSON(ctx, t, activities, body, "Authorization", alice); status != want {
			t.Errorf("alice creates an activity of %s: status %d, want %d", reporter, status, want)
		}
	}
	pgtest.Exec(t, conn, `insert into activities (category, subcategory, location, reporter) values ('c', 's', 'l', 'bob')`)
	if list := get(ctx, t, activities, "Authorization", alice); strings.Contains(list, "bob") || !strings.Contains(list, "alice") {
		t.Errorf("alice's list is %s", list)
	}
	var events int
	if err := conn.QueryRow(ctx, `select count(*) from pgherald.events where type = 'activity_created'`).Scan(&events); err != nil || events != 2 {
		t.Errorf("%d events, %v; want 2", events, err)
	}
}
