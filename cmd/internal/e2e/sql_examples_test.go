package e2e

import (
	"os"
	"regexp"
	"slices"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/pgherald/pgherald/cmd/internal/server"
	"github.com/pgherald/pgherald/db/pgtest"
	"github.com/pgherald/pgherald/migrations"
	"github.com/pgherald/pgherald/triggers"
)

const ordersSpec = `
tables:
  - name: public.orders
    on: { insert: order_created, update: order_updated, delete: order_deleted }
`

// TestSQLExamples runs every example of docs/sql.md, in a cluster of its own, since roles belong to one.
func TestSQLExamples(t *testing.T) {
	t.Parallel()
	ctx := testContext(t)
	databaseURL := pgtest.NewCluster(t).EmptyDatabase(t)
	if err := migrations.Up(ctx, databaseURL, migrations.Engine()); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile("../../../docs/sql.md")
	if err != nil {
		t.Fatal(err)
	}
	table := regexp.MustCompile("`(create table public.orders [^`]+)`").FindSubmatch(text)
	if table == nil {
		t.Fatal("the page creates no table")
	}
	conn := pgtest.Connect(t, databaseURL)
	pgtest.Exec(t, conn, string(table[1]))
	pgtest.Exec(t, conn, `create role reporting`)
	applyOrders(t, databaseURL)
	examples := regexp.MustCompile("(?s)```sql\n(.*?)```").FindAllStringSubmatch(string(text), -1)
	if len(examples) < 10 {
		t.Errorf("only %d examples", len(examples))
	}
	for _, example := range examples {
		pgtest.Psql(t, databaseURL, example[1]) // each statement in a transaction of its own
	}
	checkExamples(t, conn)
}

func applyOrders(t *testing.T, databaseURL string) {
	t.Helper()
	conn, err := server.Connect(t.Context(), databaseURL)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(t.Context())
	spec, err := triggers.Parse([]byte(ordersSpec))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := triggers.Apply(t.Context(), conn, spec); err != nil {
		t.Fatal(err)
	}
}

// checkExamples checks what the examples have written, and the rights that they gave.
func checkExamples(t *testing.T, conn *pgx.Conn) {
	t.Helper()
	var mails []string
	rows, _ := conn.Query(t.Context(), `select text from public.mails`)
	mails, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil || !slices.Equal(mails, []string{"Thank you for your order of 5"}) {
		t.Errorf("mails: %q, %v", mails, err)
	}
	for role, allowed := range map[string][]string{
		"reporting": {"publish"}, "app": {"cursor", "xid"}, "worker": {"events_since", "consume", "reset_consumer"},
	} {
		rows, _ := conn.Query(t.Context(), `
			select p.proname::text from pg_proc as p
			where p.pronamespace = 'pgherald'::regnamespace and has_function_privilege($1, p.oid, 'execute')
				-- log_end runs with the rights of its caller; marks are numbers of transactions and events
				and p.proname not in ('log_end', 'mark_from')`, role)
		got, err := pgx.CollectRows(rows, pgx.RowTo[string])
		slices.Sort(got)
		slices.Sort(allowed)
		if err != nil || !slices.Equal(got, allowed) {
			t.Errorf("%s may call %q, %v, want %q", role, got, err, allowed)
		}
	}
	worker := pgtest.Connect(t, conn.Config().ConnString())
	pgtest.Exec(t, worker, `set role worker; select from pgherald.consume('other', start => 'oldest')`)
}
