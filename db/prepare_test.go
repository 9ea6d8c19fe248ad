package db_test

import (
	"context"
	"io"
	"net"
	"net/url"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgproto3"

	"github.com/pgherald/pgherald/db"
	"github.com/pgherald/pgherald/db/pgtest"
)

// silentAt leads to the database of a URL, but for one connection: that one is accepted as PostgreSQL does, and then gets no answer.
func silentAt(t *testing.T, silent int, databaseURL string) string {
	t.Helper()
	u, err := url.Parse(databaseURL)
	if err != nil {
		t.Fatal(err)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var running sync.WaitGroup
	target := u.Host
	running.Go(func() {
		for n := 0; ; n++ {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			running.Go(func() {
				defer conn.Close()
				if n == silent {
					acceptSilently(conn)
				} else {
					forward(conn, target)
				}
			})
		}
	})
	t.Cleanup(func() {
		listener.Close()
		pgtest.Within(t, "the end of the connections", running.Wait)
	})
	u.Host = listener.Addr().String()
	return u.String()
}

// acceptSilently greets a client and then only reads.
func acceptSilently(conn net.Conn) {
	backend := pgproto3.NewBackend(conn, conn)
	if _, err := backend.ReceiveStartupMessage(); err != nil {
		return
	}
	backend.Send(&pgproto3.AuthenticationOk{})
	backend.Send(&pgproto3.ReadyForQuery{TxStatus: 'I'})
	if backend.Flush() == nil {
		_, _ = io.Copy(io.Discard, conn)
	}
}

// forward copies both directions until the client has gone.
func forward(client net.Conn, target string) {
	server, err := net.Dial("tcp", target)
	if err != nil {
		return
	}
	var copying sync.WaitGroup
	copying.Go(func() { _, _ = io.Copy(client, server) })
	_, _ = io.Copy(server, client)
	_ = server.Close()
	copying.Wait()
}

// A connection that dies before it is prepared gives its place in the pool to another one.
func TestPoolsOutliveASilentConnection(t *testing.T) {
	t.Run("session", func(t *testing.T) {
		t.Parallel() // waits for the time to connect, which is long enough for a busy machine
		pool, err := db.OpenSessionPool(t.Context(), silentAt(t, 1, pgtest.EmptyDatabase(t))+"&connect_timeout=3", "test", 1)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(pool.Close)
		pool.Reset()
		awaitAnswer(t, pool.Ping)
	})
	t.Run("pooled", func(t *testing.T) {
		t.Parallel()
		awaitAnswer(t, openPool(t, silentAt(t, 0, pgtest.EmptyDatabase(t))+"&connect_timeout=3", time.Minute).Ping)
	})
}

func awaitAnswer(t *testing.T, ping func(context.Context) error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	for ping(ctx) != nil {
		if ctx.Err() != nil {
			t.Fatal("the dead connection keeps the only place of the pool")
		}
	}
}
