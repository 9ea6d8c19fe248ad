package control_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/pgherald/pgherald/db/control"
	"github.com/pgherald/pgherald/db/notify"
	"github.com/pgherald/pgherald/db/pgtest"
	"github.com/pgherald/pgherald/stream/identity"
)

// revocationTest is a database with revocations.
type revocationTest struct {
	*testing.T
	conn        *pgx.Conn
	pool        control.Pool
	revocations *control.Revocations
}

func newRevocationTest(t *testing.T) *revocationTest {
	databaseURL := pgtest.NewDatabase(t)
	pool := newPool(t, databaseURL)
	return &revocationTest{T: t, conn: pgtest.Connect(t, databaseURL), pool: pool, revocations: control.NewRevocations(pool, 0)}
}

func (w *revocationTest) read(since uint64) ([]identity.Revocation, uint64) {
	w.Helper()
	list, _, next, err := w.revocations.Read(w.Context(), since)
	if err != nil {
		w.Fatal(err)
	}
	return list, next
}

func (w *revocationTest) revoke(r identity.Revocation, expires time.Time) {
	w.Helper()
	if err := w.revocations.Revoke(w.Context(), r, expires); err != nil {
		w.Fatal(err)
	}
}

func (w *revocationTest) count() (n int) {
	w.Helper()
	if err := w.conn.QueryRow(w.Context(), `select count(*)::int from pgherald.revocations`).Scan(&n); err != nil {
		w.Fatal(err)
	}
	return n
}

func TestRevocations(t *testing.T) {
	w := newRevocationTest(t)
	pgtest.Exec(t, w.conn, `listen `+pgx.Identifier{notify.ControlChannel}.Sanitize())
	before := time.Now().Truncate(time.Second).Add(-time.Hour)
	want := []identity.Revocation{{TokenID: "t1"}, {User: "alice", IssuedBefore: before}, {IssuedBefore: before}}
	for _, r := range want {
		w.revoke(r, time.Time{})
		if n, err := w.conn.WaitForNotification(t.Context()); err != nil || n.Payload != control.RevocationsPayload {
			t.Errorf("notification %v, %v", n, err)
		}
	}
	list, next := w.read(0)
	if diff := cmp.Diff(want, list); diff != "" {
		t.Errorf("revocations (-want +got):\n%s", diff)
	}
	if list, _ := w.read(next); len(list) != 0 {
		t.Errorf("read again: %v", list)
	}
	w.revoke(identity.Revocation{User: "alice", IssuedBefore: before.Add(-time.Hour)}, time.Time{}) // already revoked
	list, next = w.read(next)
	if diff := cmp.Diff(want[1:2], list); diff != "" {
		t.Errorf("a user's second revocation (-want +got):\n%s", diff)
	}
	w.revoke(identity.Revocation{User: "alice"}, time.Time{})
	if list, _ := w.read(next); len(list) != 1 || time.Since(list[0].IssuedBefore) > time.Minute || time.Since(list[0].IssuedBefore) < 0 {
		t.Errorf("a user's revocation without a time: %v", list)
	}
	if n := w.count(); n != 3 {
		t.Errorf("%d rows, want one for each token, each user, and all users", n)
	}
}

// A transaction that commits after a read, but began before it, is in a later read.
func TestRevocationOfALongTransaction(t *testing.T) {
	w := newRevocationTest(t)
	pgtest.Exec(t, w.conn, `begin; select pgherald.revoke(jti => 'slow')`)
	w.revoke(identity.Revocation{TokenID: "fast"}, time.Time{})
	list, next := w.read(0)
	if len(list) != 1 || list[0].TokenID != "fast" {
		t.Errorf("before the commit: %v", list)
	}
	pgtest.Exec(t, w.conn, `commit`)
	list, _ = w.read(next)
	if diff := cmp.Diff([]identity.Revocation{{TokenID: "slow"}, {TokenID: "fast"}}, list); diff != "" {
		t.Errorf("after the commit (-want +got):\n%s", diff)
	}
}

func TestInvalidRevocations(t *testing.T) {
	w := newRevocationTest(t)
	for call, column := range map[string]string{
		`()`:                                       "issued_before",
		`(jti => '')`:                              "jti",
		`(jti => repeat('é', 128))`:                "jti",
		`(user_id => '')`:                          "user_id",
		`(user_id => repeat('x', 256))`:            "user_id",
		`(jti => 'a', user_id => 'b')`:             "jti",
		`(jti => 'a', issued_before => now())`:     "jti",
		`(issued_before => 'infinity')`:            "issued_before",
		`(jti => 'a', expires => now())`:           "expires",
		`(user_id => 'a', expires => '-infinity')`: "expires",
	} {
		var pg *pgconn.PgError
		_, err := w.conn.Exec(t.Context(), `select pgherald.revoke`+call)
		if !errors.As(err, &pg) || pg.Code != "22023" || pg.ColumnName != column {
			t.Errorf("revoke%s: %v, want an invalid %s", call, err, column)
		}
	}
	if n := w.count(); n != 0 {
		t.Errorf("%d rows", n)
	}
}

func TestPruneRevocations(t *testing.T) {
	w := newRevocationTest(t)
	w.revoke(identity.Revocation{TokenID: "expires"}, time.Now().Add(time.Hour))
	w.revoke(identity.Revocation{TokenID: "unknown"}, time.Time{})
	w.revoke(identity.Revocation{User: "alice"}, time.Time{})
	// An earlier version stored times in the future.
	pgtest.Exec(t, w.conn, `update pgherald.revocations set issued_before = issued_before + interval '30 days' where user_id = 'alice'`)
	for _, step := range []struct {
		later    string
		lifetime time.Duration
		left     int
	}{{"0", 0, 3}, {"0", time.Minute, 3}, {"119 minutes", 0, 3}, {"2 minutes", 0, 2}, {"90 days", 0, 2}, {"0", 9999 * time.Hour, 2}, {"0", 24 * time.Hour, 0}} {
		pgtest.Exec(t, w.conn, `update pgherald.revocations set expires = expires - $1::interval, revoked_at = revoked_at - $1::interval,
			issued_before = issued_before - $1::interval`, step.later)
		if err := control.NewRevocations(w.pool, step.lifetime).Prune(t.Context()); err != nil {
			t.Fatal(err)
		}
		if n := w.count(); n != step.left {
			t.Errorf("%s later, with a lifetime of %v: %d rows, want %d", step.later, step.lifetime, n, step.left)
		}
	}
}

// Only the owner may revoke tokens and read which were revoked, until it grants that.
func TestRevocationsAreClosed(t *testing.T) {
	w := newRevocationTest(t)
	role := "revoker_" + strings.ToLower(t.Name())
	pgtest.Exec(t, w.conn, `begin; create role `+role+`; set local role `+role)
	for _, sql := range []string{`select pgherald.revoke(jti => 'x')`, `select from pgherald.revocations`, `insert into pgherald.revocations (jti) values ('x')`} {
		pgtest.Exec(t, w.conn, `savepoint s`)
		var pg *pgconn.PgError
		if _, err := w.conn.Exec(t.Context(), sql); !errors.As(err, &pg) || pg.Code != "42501" {
			t.Errorf("%s: %v, want insufficient_privilege", sql, err)
		}
		pgtest.Exec(t, w.conn, `rollback to savepoint s`)
	}
	pgtest.Exec(t, w.conn, `reset role; grant usage on schema pgherald to `+role+`; grant execute on function pgherald.revoke to `+role+`;
		set local role `+role+`; select pgherald.revoke(jti => 'x'); rollback`)
}
