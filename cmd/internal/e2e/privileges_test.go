package e2e

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/pgherald/pgherald/cmd/internal/server"
	"github.com/pgherald/pgherald/db/pgtest"
	"github.com/pgherald/pgherald/migrations"
	"github.com/pgherald/pgherald/triggers"
)

// privileges runs the SQL of docs/privileges.md.
type privileges struct {
	*testing.T
	databaseURL string
	blocks      []string // of the document, in order
}

func newPrivileges(t *testing.T) *privileges {
	t.Helper()
	text, err := os.ReadFile("../../../docs/privileges.md")
	if err != nil {
		t.Fatal(err)
	}
	p := &privileges{T: t, databaseURL: pgtest.NewCluster(t).EmptyDatabase(t)} // its own cluster, since roles belong to one
	for _, found := range regexp.MustCompile("(?s)```sql\n(.*?)```").FindAllStringSubmatch(string(text), -1) {
		p.blocks = append(p.blocks, found[1])
	}
	if len(p.blocks) != 4 {
		t.Fatalf("the document has %d blocks of SQL, want 4", len(p.blocks))
	}
	return p
}

// as returns the URL for a role; an empty one is the superuser.
func (p *privileges) as(role string) string {
	if role == "" {
		return p.databaseURL
	}
	u, err := url.Parse(p.databaseURL)
	if err != nil {
		p.Fatal(err)
	}
	u.User = url.User(role)
	return u.String()
}

func (p *privileges) connect(role string) *pgx.Conn {
	p.Helper()
	return pgtest.Connect(p.T, p.as(role))
}

// run runs the next block of the document as the role that its first line names.
func (p *privileges) run() {
	p.Helper()
	block := p.blocks[0]
	p.blocks = p.blocks[1:]
	role := ""
	if strings.HasPrefix(block, "-- as pgherald_migrator") {
		role = "pgherald_migrator"
	}
	pgtest.Exec(p.T, p.connect(role), block)
}

// appSQL is an application whose schema no other role may use.
const appSQL = `
create role app_owner login;
create role app_writer login;
create schema app authorization app_owner;
set role app_owner;
create table app.clients (id int primary key, name text);
create table app.orders (id int primary key, client int, status text);
insert into app.clients values (1, 'Ann');
grant usage on schema app to app_writer;
grant select, insert, update, delete on app.orders to app_writer;
reset role`

const appSpec = `
tables:
  - name: app.orders
    collection: orders
    filter: [status]
    left_join: app.clients as c on c.id = n.client
    payload: { id: n.id, client: c.name, status: n.status }
    on: { insert: order_created, update: order_updated, delete: order_deleted, truncate: as-deletes }
`

// TestPrivileges runs everything with the roles of docs/privileges.md.
func TestPrivileges(t *testing.T) {
	t.Parallel()
	ctx := testContext(t)
	p := newPrivileges(t)
	super := p.connect("")
	pgtest.Exec(t, super, appSQL)
	pgtest.Exec(t, super, `revoke all on schema public from public; revoke temporary on database `+super.Config().Database+` from public`)
	p.run()
	p.run()
	if err := migrations.Up(ctx, p.as("pgherald_migrator"), migrations.Engine()); err != nil {
		t.Fatal(err)
	}
	if advice, err := migrations.RoleAdvice(ctx, p.as("pgherald_migrator")); err != nil || advice != "" {
		t.Errorf("advice %q, %v", advice, err)
	}
	p.run()
	spec := filepath.Join(t.TempDir(), "spec.yaml")
	if err := os.WriteFile(spec, []byte(appSpec), 0o600); err != nil {
		t.Fatal(err)
	}
	applyAs(ctx, t, p.as("app_owner"))

	n := newNode(p.as("pgherald_server"), requireTokens, func(c *server.Config) {
		c.Database.Spec, c.Database.NoMigrate, c.Database.NoApply = spec, true, true
		c.Tokens.PublishRole, c.Tokens.OperatorRole, c.Tokens.Leeway = "nurse", "operator", 0
	})
	startNodes(ctx, t, n)
	defer n.end(t)
	useServer(ctx, t, n, p)
	useForward(ctx, t, p)
	useRelay(ctx, t, p, spec)
	p.run()
	pgtest.Exec(t, p.connect("app_writer"), `select pgherald.publish('note', '1'), pgherald.cursor(), pgherald.xid()`)
	prune(ctx, t, p.as("pgherald_server"))
	checkDenials(ctx, t, p)
	pgtest.Exec(t, p.connect("pgherald_operator"), `select * from pgherald.events; select * from pgherald.drift`)
	n.end(t)
	removeAll(ctx, t, p)
}

func applyAs(ctx context.Context, t *testing.T, databaseURL string) {
	t.Helper()
	conn, err := server.Connect(ctx, databaseURL)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(ctx)
	spec, err := triggers.Parse([]byte(appSpec))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := triggers.Apply(ctx, conn, spec); err != nil {
		t.Fatal(err)
	}
	if drift, err := triggers.Check(ctx, conn, spec); err != nil || len(drift) > 0 {
		t.Errorf("drift %v, %v", drift, err)
	}
	if _, err := triggers.SQL(ctx, conn, spec); err != nil {
		t.Error(err)
	}
}

// useServer lets the application write, a client receive, publish, use a ticket and renew its lease, and an operator revoke.
func useServer(ctx context.Context, t *testing.T, n *node, p *privileges) {
	t.Helper()
	stream := openStream(ctx, t, n.at("/api/events"), "Authorization", bearer(t, "nina", "nurse"))
	readTo(t, stream, "presence_updated")
	writer := p.connect("app_writer")
	for _, sql := range []string{`insert into app.orders values (1, 1, 'a')`, `update app.orders set status = 'b'`} {
		pgtest.Exec(t, writer, sql)
	}
	for _, path := range []string{"?where.status=b&order=status&count=exact", "/1"} {
		if list := get(ctx, t, n.at("/api/collections/orders"+path), "Authorization", bearer(t, "nina", "nurse")); !strings.Contains(list, `{"id":1,"client":"Ann","status":"b"}`) {
			t.Errorf("the list %s is %s", path, list)
		}
	}
	pgtest.Exec(t, writer, `delete from app.orders`)
	readTo(t, stream, `order_created`)
	readTo(t, stream, `"client":"Ann"`)
	readTo(t, stream, `order_deleted`)
	useTicket(ctx, t, n)
	if status := postJSON(ctx, t, n.at("/api/events"), `{"type":"call","data":1}`, "Authorization", bearer(t, "nina", "nurse")); status != http.StatusCreated {
		t.Errorf("publish: %d", status)
	}
	if status := postJSON(ctx, t, n.at("/api/revocations"), `{"user":"mallory"}`, "Authorization", bearer(t, "olga", "operator")); status != http.StatusNoContent {
		t.Errorf("revoke: %d", status)
	}
	if response := ask(ctx, t, n.at("/api/presence"), "Authorization", bearer(t, "nina", "nurse")); response.StatusCode != http.StatusOK {
		t.Errorf("presence: %s", response.Status)
	}
	for _, line := range n.faults("permission denied", `"level":"ERROR"`, `"level":"WARN"`) {
		t.Errorf("the log output has %s", line)
	}
}

// checkDenials checks what the roles must not be able to do.
func checkDenials(ctx context.Context, t *testing.T, p *privileges) {
	t.Helper()
	for role, statements := range map[string][]string{
		"pgherald_server": {
			`select * from app.orders`, `select * from app.clients`, `update pgherald.migrations set version = 1`, `create table pgherald.mine ()`,
			`insert into pgherald.events (xid, type, data) values ('1', 'x', '1')`, `update pgherald.events set type = 'x'`, `create table public.mine ()`,
		},
		"app_owner": {`select * from pgherald.events`, `delete from pgherald.events`, `update pgherald.log set id = gen_random_uuid()`, `select * from pgherald.tickets`},
		"app_writer": {`select * from pgherald.events`, `insert into pgherald.events (type, data) values ('x', '1')`, `create table pgherald.mine ()`,
			`select from pgherald.events_since('x')`, `select from pgherald.consume('x')`, `select pgherald.reset_consumer('x')`, `select pgherald.drop_consumer('x')`,
			`select * from pgherald.consumers`, `select from pgherald.read_after(0, '{}', null, 1, '')`, `select pgherald.log_state()`,
		},
		"pgherald_operator": {`delete from pgherald.events`, `insert into pgherald.events (type, data) values ('x', '1')`, `select * from app.orders`},
		"pgherald_migrator": {`delete from app.orders`, `create table public.mine ()`},
	} {
		conn := p.connect(role)
		for _, sql := range statements {
			checkDenied(ctx, t, conn, sql)
		}
	}
}

// removeAll removes pgherald as its roles can, and the role that remains.
func removeAll(ctx context.Context, t *testing.T, p *privileges) {
	t.Helper()
	stranger, err := server.Connect(ctx, p.as("pgherald_migrator"))
	if err != nil {
		t.Fatal(err)
	}
	defer stranger.Close(ctx)
	var denied *pgconn.PgError
	if _, err := triggers.DropAll(ctx, stranger); !errors.As(err, &denied) || denied.Code != "42501" {
		t.Errorf("the migrator drops triggers of the owner's tables: %v", err)
	}
	conn, err := server.Connect(ctx, p.as("app_owner"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := triggers.DropAll(ctx, conn); err != nil {
		t.Error(err)
	}
	conn.Close(ctx)
	if err := migrations.Down(ctx, p.as("pgherald_migrator"), migrations.Engine()); err != nil {
		t.Fatal(err)
	}
	if remains, err := migrations.DropRole(ctx, p.as("pgherald_migrator")); err != nil || !remains {
		t.Errorf("the migrator, who may not drop roles: the role remains: %t, %v", remains, err)
	}
	pgtest.Exec(t, p.connect(""), `drop role pgherald_writer, pgherald_server, pgherald_operator`)
}
