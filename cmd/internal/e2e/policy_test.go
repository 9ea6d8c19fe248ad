package e2e

import (
	"context"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/pgherald/pgherald/cmd/internal/server"
	"github.com/pgherald/pgherald/db/pgtest"
)

// TestPoliciesEndToEnd does what docs/authentication.md says: a role of its own for the activities,
// with those rights and no others, and a policy. The triggers see every row all the same.
func TestPoliciesEndToEnd(t *testing.T) {
	ctx := testContext(t)
	databaseURL := pgtest.NewDatabase(t)
	conn := pgtest.Connect(t, databaseURL)
	first := newNode(databaseURL) // makes the tables
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
		grant select on pgherald.log to @;
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
	n := newNode(databaseURL, withTokens, func(c *server.Config) {
		c.Tokens.WriteRole, c.Database.ActivitiesURL = "nurse", u.String()
	})
	startNodes(ctx, t, n)
	defer n.end(t)

	client, token := newHTTPClient(t), signed(t, time.Now().Add(time.Hour), "nurse")
	ask := func(method, body string) (int, string) {
		t.Helper()
		r, _ := http.NewRequestWithContext(ctx, method, n.at("/api/activities"), strings.NewReader(body))
		r.Header.Set("Authorization", "Bearer "+token)
		r.Header.Set("Content-Type", "application/json")
		response, err := client.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		defer response.Body.Close()
		raw, _ := io.ReadAll(response.Body)
		return response.StatusCode, string(raw)
	}
	const body = `{"category":"c","subcategory":"s","location":"l","reporter":"alice"}`
	if status, answer := ask("POST", body); status != http.StatusCreated {
		t.Errorf("alice's own: %d %s", status, answer)
	}
	if status, answer := ask("POST", strings.Replace(body, "alice", "bob", 1)); status != http.StatusForbidden || !strings.Contains(answer, "row_security") {
		t.Errorf("in bob's name: %d %s", status, answer)
	}
	pgtest.Exec(t, conn, `insert into activities (category, subcategory, location, reporter) values ('c', 's', 'l', 'bob')`)
	if status, answer := ask("GET", ""); status != http.StatusOK || strings.Contains(answer, "bob") || !strings.Contains(answer, "alice") {
		t.Errorf("list: %d %s", status, answer)
	}
	var events int
	if err := conn.QueryRow(ctx, `select count(*) from pgherald.events where type = 'activity_created'`).Scan(&events); err != nil || events != 2 {
		t.Errorf("%d events, %v", events, err)
	}
}
