package db_test

import (
	"context"
	"net/url"
	"testing"
	"time"

	"github.com/pgherald/pgherald/db"
	"github.com/pgherald/pgherald/db/pgtest"
)

// A connection that is cut off takes pgx 15 s to close. The pool has another one before.
func TestAbandon(t *testing.T) {
	u, err := url.Parse(pgtest.EmptyDatabase(t))
	if err != nil {
		t.Fatal(err)
	}
	cutOff, way := pgtest.NewProxy(t, u.Host), pgtest.NewProxy(t, u.Host)
	u.Host = cutOff.Addr() + "," + way.Addr()
	pool, err := db.OpenSessionPool(t.Context(), u.String(), "test", 1)
	if err != nil {
		t.Fatal(err)
	}
	defer pool.Close()
	conn, err := pool.Acquire(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	dead := conn.Conn().PgConn()
	cutOff.Refuse(true)
	cutOff.Blackhole(true)
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if _, err := conn.Exec(ctx, `select`); err == nil {
		t.Fatal("a connection that is cut off answers")
	}
	cancelled, stop := context.WithCancel(t.Context())
	go func() { defer stop(); <-dead.CleanupDone() }()
	db.Abandon(conn)
	next, err := pool.Acquire(cancelled)
	if err != nil {
		t.Fatalf("the pool had no connection before the dead one had ended: %v", err)
	}
	next.Release()
}

// A connection that answers stays in the pool.
func TestAbandonKeepsWhatAnswers(t *testing.T) {
	pool, err := db.OpenSessionPool(t.Context(), pgtest.EmptyDatabase(t), "test", 1)
	if err != nil {
		t.Fatal(err)
	}
	defer pool.Close()
	for range 3 {
		conn, err := pool.Acquire(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if _, err := conn.Exec(t.Context(), `select`); err != nil {
			t.Error(err)
		}
		db.Abandon(conn)
	}
	if n := pool.Stat().NewConnsCount(); n != 1 {
		t.Errorf("the pool opened %d connections", n)
	}
}
