package e2e

import (
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/pgherald/pgherald/cmd/internal/server"
	"github.com/pgherald/pgherald/db/pgtest"
)

const parcelsSpec = `
tables:
  - name: public.parcels
    on: { insert: parcel_sent, update: parcel_moved }
    payload: { id: n.id, owner: n.owner, at: n.at }
    audience: array['user:' || n.owner, 'user:' || o.owner]
`

// TestAudiences has two users at two servers. Each receives what its grants permit, of events that come from
// a trigger, from SQL, from the API and from presence.
func TestAudiences(t *testing.T) {
	t.Parallel()
	ctx := testContext(t)
	url := pgtest.EmptyDatabase(t)
	conn := pgtest.Connect(t, url)
	pgtest.Exec(t, conn, `create table public.parcels (id int primary key, owner text, at text)`)
	dir := t.TempDir()
	spec, secret := filepath.Join(dir, "spec.yaml"), filepath.Join(dir, "secret")
	for file, text := range map[string]string{spec: parcelsSpec, secret: tokenSecret} {
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	configure := func(c *server.Config) {
		requireTokens(c)
		c.Tokens.Secret, c.Tokens.SecretFile = "", secret
		c.Tokens.PublishRole, c.Database.Spec = "press", spec
	}
	one, two := newNode(url, configure), newNode(url, configure)
	defer one.end(t)
	defer two.end(t)
	startNodes(ctx, t, one, two)

	ann := openStream(ctx, t, one.at("/api/events"), "Authorization", bearer(t, "ann"))
	readTo(t, ann, `"sync"`)
	readTo(t, ann, `{"userId":"ann","isOnline":true}`)
	bob := openStream(ctx, t, two.at("/api/events?batch=10ms"), "Authorization", bearer(t, "bob"))
	readTo(t, bob, `"sync"`)
	readTo(t, ann, `{"userId":"bob","isOnline":true}`)

	pgtest.Exec(t, conn, `insert into public.parcels values (1, 'ann', 'home'), (2, 'bob', 'home'), (3, null, 'lost')`)
	pgtest.Exec(t, conn, `update public.parcels set owner = 'bob' where id = 1`)
	pgtest.Exec(t, conn, `select pgherald.publish('note', '"psst"', audience => '{user:ann}')`)
	if status := postJSON(ctx, t, two.at("/api/events"), `{"type":"note","data":"all"}`, "Authorization", bearer(t, "editor", "press")); status != http.StatusCreated {
		t.Fatalf("publish: status %d", status)
	}
	checkContains(t, "ann", readTo(t, ann, `"data":"all"`), map[string]bool{
		`"id":1,"owner":"ann"`: true, `"id":1,"owner":"bob"`: true, `"id":2,"owner"`: false, `"id":3,"owner"`: false, "psst": true,
	})
	checkContains(t, "bob", readTo(t, bob, `"data":"all"`), map[string]bool{
		`"id":1,"owner":"ann"`: false, `"id":1,"owner":"bob"`: true, `"id":2,"owner"`: true, `"id":3,"owner"`: false, "psst": false,
	})
}

func bearer(t testing.TB, user string, roles ...string) string {
	t.Helper()
	return "Bearer " + newToken(t, user, inAnHour(), roles...)
}

// checkContains checks which texts a user received.
func checkContains(t *testing.T, user, received string, wants map[string]bool) {
	t.Helper()
	for text, want := range wants {
		if strings.Contains(received, text) != want {
			t.Errorf("%s received %s: %t, want %t, in\n%s", user, text, !want, want, received)
		}
	}
}
