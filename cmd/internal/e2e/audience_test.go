package e2e

import (
	"bufio"
	"context"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/pgherald/pgherald/cmd/internal/server"
	"github.com/pgherald/pgherald/db/pgtest"
)

const selectiveSpec = `
tables:
  - name: public.parcels
    on: { insert: parcel_sent, update: parcel_moved }
    payload: { id: n.id, owner: n.owner, at: n.at }
    audience: array['user:' || n.owner, 'user:' || o.owner]
`

// tokenFor is a token as the tests' issuer makes them.
func tokenFor(t *testing.T, secret, user string, roles ...string) string {
	t.Helper()
	token, err := jwt.NewWithClaims(jwt.SigningMethodHS256, jwt.MapClaims{
		"iss": "i", "aud": "a", "sub": user, "roles": roles, "exp": time.Now().Add(time.Hour).Unix(),
	}).SignedString([]byte(secret))
	if err != nil {
		t.Fatal(err)
	}
	return token
}

// hearAs opens a stream and returns what reads up to and with the next line that holds a text.
func hearAs(ctx context.Context, t *testing.T, n *node, query, token string) (until func(text string) string) {
	t.Helper()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, n.at("/api/events"+query), nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+token)
	response, err := newHTTPClient(t).Do(r)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { response.Body.Close() })
	in := bufio.NewReader(response.Body)
	until = func(text string) string {
		t.Helper()
		var got strings.Builder
		for {
			line, err := in.ReadString('\n')
			got.WriteString(line)
			if err != nil {
				t.Fatalf("wait for %s: %v, after\n%s", text, err, got.String())
			}
			if strings.Contains(line, text) {
				return got.String()
			}
		}
	}
	until(`"sync"`)
	return until
}

// Two servers, two users, and writers who know of neither: a trigger with an audience, SQL, the API,
// and the users' own presence.
func TestWhoHearsWhatOnTwoServers(t *testing.T) {
	ctx := testContext(t)
	url := pgtest.EmptyDatabase(t)
	conn := pgtest.Connect(t, url)
	pgtest.Exec(t, conn, `create table public.parcels (id int primary key, owner text, at text)`)
	dir, secret := t.TempDir(), strings.Repeat("s", 40)
	spec, key := filepath.Join(dir, "spec.yaml"), filepath.Join(dir, "secret")
	for file, text := range map[string]string{spec: selectiveSpec, key: secret} {
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	configure := func(c *server.Config) {
		c.Database.Spec = spec
		c.Tokens.Auth, c.Tokens.Issuer, c.Tokens.Audience, c.Tokens.SecretFile = "jwt", "i", "a", key
		c.Tokens.PublishRole = "press"
	}
	one, two := newNode(url, configure), newNode(url, configure)
	defer one.end(t)
	defer two.end(t)
	startNodes(ctx, t, one, two)

	ann := hearAs(ctx, t, one, "", tokenFor(t, secret, "ann"))
	ann(`{"userId":"ann","isOnline":true}`)
	bob := hearAs(ctx, t, two, "?batch=10ms", tokenFor(t, secret, "bob"))
	ann(`{"userId":"bob","isOnline":true}`)

	pgtest.Exec(t, conn, `insert into public.parcels values (1, 'ann', 'home'), (2, 'bob', 'home'), (3, null, 'lost')`)
	pgtest.Exec(t, conn, `update public.parcels set owner = 'bob' where id = 1`)
	pgtest.Exec(t, conn, `select pgherald.publish('note', '"psst"', audience => '{user:ann}')`)
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, two.at("/api/events"), strings.NewReader(`{"type":"note","data":"all"}`))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("Authorization", "Bearer "+tokenFor(t, secret, "editor", "press"))
	response, err := newHTTPClient(t).Do(r)
	if err != nil {
		t.Fatal(err)
	}
	response.Body.Close()
	if response.StatusCode != http.StatusCreated {
		t.Fatalf("publish: %s", response.Status)
	}

	got := map[string]string{"ann": ann(`"data":"all"`), "bob": bob(`"data":"all"`)}
	for user, wants := range map[string]map[string]bool{
		"ann": {`"id":1,"owner":"ann"`: true, `"id":1,"owner":"bob"`: true, `"id":2,"owner"`: false, `"id":3,"owner"`: false, "psst": true},
		"bob": {`"id":1,"owner":"ann"`: false, `"id":1,"owner":"bob"`: true, `"id":2,"owner"`: true, `"id":3,"owner"`: false, "psst": false},
	} {
		for text, want := range wants {
			if strings.Contains(got[user], text) != want {
				t.Errorf("%s: %s: want %t, got\n%s", user, text, want, got[user])
			}
		}
	}
}
