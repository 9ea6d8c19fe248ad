package triggers_test

import (
	"context"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/pgherald/pgherald/db/pgtest"
	"github.com/pgherald/pgherald/triggers"
)

// TestApplyCutOff cuts the connection of an apply after more and more bytes of PostgreSQL's answers. Each time the triggers
// are those from before or all of the spec, and the next apply completes them.
func TestApplyCutOff(t *testing.T) {
	b := open(t, orders)
	spec := parse(t, ordersSpec)
	proxy := pgtest.NewProxyOf(t, b.url)
	const installed = `select string_agg(tgname, ' ' order by tgname) from pg_trigger where not tgisinternal and tgrelid = 'public.orders'::regclass`
	b.apply(spec)
	whole := b.one(installed)
	cuts := 0
	for bytes := 1; ; bytes += bytes/3 + 150 {
		if _, err := triggers.Drop(t.Context(), b.conn, spec); err != nil {
			t.Fatal(err)
		}
		conn, err := pgx.Connect(t.Context(), proxy.URL(b.url))
		if err != nil {
			t.Fatal(err)
		}
		proxy.CutAfter(bytes)
		_, err = triggers.Apply(t.Context(), conn, spec)
		proxy.CutAfter(-1)
		_ = conn.Close(t.Context()) // it may be dead
		if now := b.one(installed); now != "null" && now != whole {
			t.Fatalf("after a cut at %d bytes, the triggers are %s", bytes, now)
		}
		b.apply(spec)
		if drift, err := triggers.Check(t.Context(), b.conn, spec); err != nil || len(drift) > 0 {
			t.Fatalf("the apply after a cut at %d bytes: %v, %v", bytes, drift, err)
		}
		if err == nil {
			break
		}
		cuts++
	}
	t.Logf("%d cuts", cuts)
	if cuts < 8 {
		t.Errorf("an apply ended after %d cuts: so short an exchange proves little", cuts)
	}
}

// TestRollbackWithoutAnswer holds back all traffic when the transaction of a check or an apply rolls back. Each ends all the
// same: a server that watches its triggers would look at them no more.
func TestRollbackWithoutAnswer(t *testing.T) {
	t.Parallel()
	b := watch(t, orders, ordersSpec)
	spec := parse(t, ordersSpec)
	for name, do := range map[string]func(context.Context, *pgx.Conn) error{
		"check": func(ctx context.Context, conn *pgx.Conn) error {
			_, err := triggers.Check(ctx, conn, spec)
			return err
		},
		"refused apply": func(ctx context.Context, conn *pgx.Conn) error {
			_, err := triggers.Apply(ctx, conn, parse(t, "version: 1\ntables: [{ name: public.missing }]"))
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			proxy := pgtest.NewProxyOf(t, b.url)
			config, err := pgx.ParseConfig(proxy.URL(b.url))
			if err != nil {
				t.Fatal(err)
			}
			var held atRollback
			config.Tracer = &held
			conn, err := pgx.ConnectConfig(t.Context(), config)
			if err != nil {
				t.Fatal(err)
			}
			held.proxy = proxy
			ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
			defer cancel()
			_ = do(ctx, conn)
			switch {
			case held.count == 0:
				t.Fatal("no transaction rolled back")
			case ctx.Err() != nil:
				t.Error("it waits for the answer to its rollback")
			case !conn.IsClosed():
				t.Error("the connection is not closed")
			}
		})
	}
}

// atRollback makes a proxy hold back all traffic once a connection rolls back.
type atRollback struct {
	proxy *pgtest.Proxy
	count int
}

func (a *atRollback) TraceQueryStart(ctx context.Context, _ *pgx.Conn, data pgx.TraceQueryStartData) context.Context {
	if data.SQL == "rollback" {
		a.proxy.Blackhole(true)
		a.count++
	}
	return ctx
}

func (*atRollback) TraceQueryEnd(context.Context, *pgx.Conn, pgx.TraceQueryEndData) {}
