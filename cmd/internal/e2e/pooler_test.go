package e2e

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"os/exec"
	"strings"
	"sync"
	"testing"

	"github.com/pgherald/pgherald/cmd/internal/server"
	"github.com/pgherald/pgherald/db/pgtest"
)

// poolerRequest is a request of a kind that uses the database.
type poolerRequest struct {
	status             int
	method, path, body string
}

// poolerRequests returns one request of each kind. Those of one row use the activity with an id.
func poolerRequests(id string) []poolerRequest {
	one := "/api/activities/" + id
	return []poolerRequest{
		{200, "GET", "/api/activities?q=e&status=open&status=closed&limit=5", ""},
		{200, "GET", "/api/activities", ""},
		{200, "GET", one, ""},
		{200, "GET", one + "/notes", ""},
		{200, "GET", "/api/presence", ""},
		{201, "POST", "/api/activities", activity},
		{200, "PUT", one, `{"status":"closed","notes":"n","authorId":"a"}`},
		{200, "PUT", one + "/assignment", `{"assigneeId":"bob"}`},
		{201, "POST", one + "/notes", `{"notes":"n","authorId":"a"}`},
		{201, "POST", "/api/events", `{"type":"call","data":{"a":1},"key":"k","audience":["role:nurse"]}`},
		{201, "POST", "/api/tickets", ""},
		{404, "POST", "/api/events/aaaaaaaaaaaaaaaaaaaaaaaaaa/token", ""},
	}
}

// startPooled starts a server whose API connects through one URL and whose sessions use another.
func startPooled(ctx context.Context, t *testing.T, databaseURL, listenURL string) *tokenTest {
	t.Helper()
	n := newNode(databaseURL, requireTokens, func(c *server.Config) {
		c.Database.ListenURL = listenURL
		c.Tokens.WriteRole, c.Tokens.PublishRole = "nurse", "nurse"
	})
	t.Cleanup(func() { n.end(t) })
	startNodes(ctx, t, n)
	return &tokenTest{T: t, ctx: ctx, first: n}
}

// sendAll sends every kind of request several times, many at once, as different users.
func (tt *tokenTest) sendAll(parallel, rounds int) {
	tt.Helper()
	status, created := tt.settled(tt.first, "POST", "/api/activities", activity, newToken(tt, "ann", inAnHour(), "nurse"))
	if status != http.StatusCreated {
		tt.Fatalf("create: %d %v", status, created)
	}
	var running sync.WaitGroup
	for i := range parallel {
		running.Go(func() {
			token := newToken(tt, fmt.Sprint("user-", i), inAnHour(), "nurse")
			for range rounds {
				for _, r := range poolerRequests(created["id"].(string)) {
					if got, body := tt.settled(tt.first, r.method, r.path, r.body, token); got != r.status {
						tt.Errorf("%s %s: %d %v, want %d", r.method, r.path, got, body, r.status)
					}
				}
			}
		})
	}
	running.Wait()
}

// TestPgBouncer runs the API through PgBouncer with its default configuration. Few connections serve all
// requests, so that a statement or a setting that one request leaves in a session would meet the others.
func TestPgBouncer(t *testing.T) {
	t.Parallel()
	parts := newParts(t)
	defer parts.wait()
	for _, mode := range []string{"transaction", "session"} {
		parts.run(mode, func(t *testing.T) {
			database := pgtest.NewDatabase(t)
			size := 2
			if mode == "session" { // each connection of the server keeps one
				size = 30
			}
			pooled := pgtest.NewPgBouncer(t, database, mode, size)
			tt := startPooled(testContext(t), t, pooled, database)
			tt.sendAll(12, 5)
			neighbour := pgtest.Connect(t, pooled+"&default_query_exec_mode=exec")
			for range 8 {
				var settings string
				const sql = `select current_setting('search_path') || ' ' || current_setting('statement_timeout')`
				if err := neighbour.QueryRow(t.Context(), sql).Scan(&settings); err != nil || settings != `"$user", public 0` {
					t.Fatalf("another program on the pooler has the settings %q, %v", settings, err)
				}
			}
		})
	}
}

// TestExecModes uses one URL for everything, with parameters that are meant for other programs' connections.
func TestExecModes(t *testing.T) {
	t.Parallel()
	parts := newParts(t)
	defer parts.wait()
	for _, parameters := range []string{
		"default_query_exec_mode=cache_statement", "default_query_exec_mode=cache_describe", "default_query_exec_mode=describe_exec",
		"default_query_exec_mode=exec", "default_query_exec_mode=simple_protocol",
		"statement_cache_capacity=0&description_cache_capacity=0", "pool_max_conns=1&pool_min_conns=1&pool_max_conn_lifetime=1s",
	} {
		parts.run(parameters, func(t *testing.T) {
			ctx := testContext(t)
			u, err := url.Parse(pgtest.NewDatabase(t))
			if err != nil {
				t.Fatal(err)
			}
			u.RawQuery += "&" + parameters
			tt := startPooled(ctx, t, u.String(), "")
			token := newToken(t, "ann", inAnHour(), "nurse")
			lines := openStream(ctx, t, tt.first.at("/api/events"), "Authorization", "Bearer "+token)
			readTo(t, lines, `"sync"`)
			tt.sendAll(2, 2)
			tt.expect(201, tt.first, "POST", "/api/activities", strings.Replace(activity, `"c"`, `"the last one"`, 1), token)
			readTo(t, lines, "the last one")
		})
	}
}

// testPooledStart starts servers whose sessions would lead through PgBouncer in transaction mode. None starts, each
// says why, and nothing is created.
func testPooledStart(t *testing.T, binary string) {
	for _, size := range []int{1, 20} { // few sessions meet each other's statements, many do not
		t.Run(fmt.Sprint(size, " sessions"), func(t *testing.T) {
			for _, prepared := range []bool{false, true} {
				database := pgtest.EmptyDatabase(t)
				if prepared {
					if out, err := exec.CommandContext(t.Context(), binary, "migrate", "up", "--database-url="+database).CombinedOutput(); err != nil {
						t.Fatalf("pgherald migrate up: %v\n%s", err, out)
					}
				}
				pooled := pgtest.NewPgBouncer(t, database, "transaction", size)
				for range 3 { // the sessions of one start are left for the next
					p := startProgram(t, binary, "serve", "--addr=127.0.0.1:0", "--database-url="+pooled)
					<-p.ended
					text := p.log.String()
					if p.cmd.ProcessState.ExitCode() != 1 || !strings.Contains(text, "pooler in transaction mode") || !strings.Contains(text, "--listen-database-url") {
						t.Errorf("the program ended with %v, want exit code 1 and the pooler:\n%s", p.err, text)
					}
					if strings.Contains(text, "prepared statement") {
						t.Errorf("the log output has errors of prepared statements:\n%s", text)
					}
				}
				var exists bool
				const sql = `select exists (select from pg_namespace where nspname = 'pgherald')`
				if err := pgtest.Connect(t, database).QueryRow(t.Context(), sql).Scan(&exists); err != nil || exists != prepared {
					t.Errorf("the schema pgherald exists: %v, %v, want %v", exists, err, prepared)
				}
			}
		})
	}
}
