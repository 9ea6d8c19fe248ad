package control_test

import (
	"crypto/sha256"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/pgherald/pgherald/db/control"
	"github.com/pgherald/pgherald/db/pgtest"
	"github.com/pgherald/pgherald/stream/identity"
)

func newPool(t *testing.T, databaseURL string) *pgxpool.Pool {
	t.Helper()
	pool, err := pgxpool.New(t.Context(), databaseURL)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(pool.Close)
	return pool
}

func hash(ticket string) []byte {
	sum := sha256.Sum256([]byte(ticket))
	return sum[:]
}

func TestTicketIsRedeemedOnce(t *testing.T) {
	tickets := control.NewTickets(newPool(t, pgtest.NewDatabase(t)))
	for _, id := range []identity.Identity{
		{User: "ann", Roles: []string{"nurse", "a,b"}, Grants: []string{`user:"ann"`}, Expires: time.Now().Truncate(time.Millisecond), TokenID: "t1", IssuedAt: time.UnixMilli(0)},
		{User: "bob", Roles: []string{}, Grants: []string{}, Expires: time.UnixMilli(0)},
	} {
		began := time.Now()
		expires, err := tickets.Issue(t.Context(), hash(id.User), id, time.Minute)
		if err != nil || expires.Before(began.Add(50*time.Second)) || expires.After(time.Now().Add(70*time.Second)) {
			t.Errorf("%s: the ticket is valid from %v to %v, %v", id.User, began, expires, err)
		}
		got, valid, err := tickets.Redeem(t.Context(), hash(id.User))
		if err != nil || !valid {
			t.Fatalf("%s: valid %v, %v", id.User, valid, err)
		}
		if diff := cmp.Diff(id, got); diff != "" {
			t.Errorf("identity (-want +got):\n%s", diff)
		}
		if _, valid, err := tickets.Redeem(t.Context(), hash(id.User)); valid || err != nil {
			t.Errorf("%s, a second time: valid %v, %v", id.User, valid, err)
		}
	}
}

func TestConcurrentRedeems(t *testing.T) {
	tickets := control.NewTickets(newPool(t, pgtest.NewDatabase(t)))
	if _, err := tickets.Issue(t.Context(), hash("x"), identity.Identity{}, time.Minute); err != nil {
		t.Fatal(err)
	}
	var redeemed atomic.Int32
	var clients sync.WaitGroup
	for range 20 {
		clients.Go(func() {
			_, valid, err := tickets.Redeem(t.Context(), hash("x"))
			if err != nil {
				t.Error(err)
			}
			if valid {
				redeemed.Add(1)
			}
		})
	}
	clients.Wait()
	if redeemed.Load() != 1 {
		t.Errorf("redeemed %d times", redeemed.Load())
	}
}

func TestExpiredTickets(t *testing.T) {
	pool := newPool(t, pgtest.NewDatabase(t))
	tickets := control.NewTickets(pool)
	count := func() (n int) {
		t.Helper()
		if err := pool.QueryRow(t.Context(), `select count(*)::int from pgherald.tickets`).Scan(&n); err != nil {
			t.Fatal(err)
		}
		return n
	}
	if _, err := tickets.Issue(t.Context(), hash("x"), identity.Identity{}, -time.Millisecond); err != nil {
		t.Fatal(err)
	}
	if _, valid, err := tickets.Redeem(t.Context(), hash("x")); valid || err != nil || count() != 0 {
		t.Errorf("expired: valid %v, %v, %d tickets left", valid, err, count())
	}
	const expired = `insert into pgherald.tickets select sha256(i::text::bytea), 'a', '{}', '{}', now(), now() - interval '1 s' from generate_series(1, 25) as i`
	if _, err := pool.Exec(t.Context(), expired); err != nil {
		t.Fatal(err)
	}
	for i, left := range []int{16, 7, 3} { // each new ticket deletes ten
		if _, err := tickets.Issue(t.Context(), hash(fmt.Sprint("new", i)), identity.Identity{}, time.Minute); err != nil {
			t.Fatal(err)
		}
		if n := count(); n != left {
			t.Errorf("%d tickets, want %d", n, left)
		}
	}
}
