package control_test

import (
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/pgherald/pgherald/db/control"
	"github.com/pgherald/pgherald/db/notify"
	"github.com/pgherald/pgherald/db/pgtest"
	"github.com/pgherald/pgherald/stream/identity"
)

func TestRenewal(t *testing.T) {
	databaseURL := pgtest.NewDatabase(t)
	renewals := control.NewRenewals(newPool(t, databaseURL))
	listener := pgtest.Connect(t, databaseURL)
	pgtest.Exec(t, listener, `listen `+pgx.Identifier{notify.ControlChannel}.Sanitize())
	end := time.Now().Truncate(time.Second)
	rights, other := []byte("rights"), []byte("other")
	token := identity.Identity{Expires: end.Add(time.Hour), TokenID: "t1", IssuedAt: end.Add(-time.Minute)}
	for name, test := range map[string]struct {
		has      []byte    // rights of the stream
		end      time.Time // of its lease
		ended    bool      // while it is renewed
		answered bool
		accepted bool
		until    time.Time
	}{
		"accepted":         {has: rights, end: end, answered: true, accepted: true, until: end.Add(time.Hour)},
		"longer already":   {has: rights, end: end.Add(2 * time.Hour), answered: true, accepted: true, until: end.Add(2 * time.Hour)},
		"other rights":     {has: other, end: end, answered: true},
		"ended meanwhile":  {has: rights, end: end, ended: true},
		"requested before": {has: rights, end: end, answered: true, accepted: true, until: end.Add(time.Hour)},
	} {
		t.Run(name, func(t *testing.T) {
			if err := renewals.Request(t.Context(), "connection", rights, token); err != nil {
				t.Fatal(err)
			}
			if n, err := listener.WaitForNotification(t.Context()); err != nil || n.Payload != "connection" {
				t.Errorf("notification %v, %v", n, err)
			}
			if _, _, answered, err := renewals.Result(t.Context(), "connection", rights); answered || err != nil {
				t.Errorf("before the answer: %v, %v", answered, err)
			}
			err := renewals.Answer(t.Context(), "connection", test.has, test.end, func(got identity.Identity) bool {
				if !test.ended && !got.Expires.Equal(test.until) || got.TokenID != token.TokenID || !got.IssuedAt.Equal(token.IssuedAt) {
					t.Errorf("renewed with %+v, want %v", got, test.until)
				}
				return !test.ended
			})
			if err != nil {
				t.Fatal(err)
			}
			until, accepted, answered, err := renewals.Result(t.Context(), "connection", rights)
			if err != nil || answered != test.answered || accepted != test.accepted || accepted && !until.Equal(test.until) {
				t.Errorf("result %v, accepted %v, answered %v, %v; want %+v", until, accepted, answered, err, test)
			}
		})
	}
}

func TestAnswerWithoutARequest(t *testing.T) {
	renewals := control.NewRenewals(newPool(t, pgtest.NewDatabase(t)))
	err := renewals.Answer(t.Context(), "connection", []byte("rights"), time.Now(), func(identity.Identity) bool {
		t.Error("renewed without a request")
		return true
	})
	if err != nil {
		t.Error(err)
	}
}

func TestRequestDeletesOldOnes(t *testing.T) {
	pool := newPool(t, pgtest.NewDatabase(t))
	renewals := control.NewRenewals(pool)
	const old = `insert into pgherald.renewals (connection, rights_hash, until, requested_at)
		select i::text, '', now(), now() - interval '2 minutes' from generate_series(1, 100) as i`
	if _, err := pool.Exec(t.Context(), old); err != nil {
		t.Fatal(err)
	}
	if err := renewals.Request(t.Context(), "1", []byte("rights"), identity.Identity{Expires: time.Now()}); err != nil {
		t.Fatal(err)
	}
	var n int
	if err := pool.QueryRow(t.Context(), `select count(*)::int from pgherald.renewals`).Scan(&n); err != nil || n != 1 {
		t.Errorf("%d requests, %v, want 1", n, err)
	}
}
