package api_test

import (
	"context"
	"encoding/json"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/pgherald/pgherald/api"
	"github.com/pgherald/pgherald/db/pgtest"
)

// connected is a replica whose streams have heartbeats, and that hears of renewals.
func connected(t *testing.T, databaseURL string) *station {
	t.Helper()
	pool, err := pgxpool.New(t.Context(), databaseURL)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(pool.Close)
	s := newStation(t, stationOptions{config: func(c *api.Config) {
		c.Auth, c.Engine, c.Head, c.Heartbeat = newJWT(t), pool, head, 100*time.Millisecond
	}})
	conn := pgtest.Connect(t, databaseURL)
	if _, err := conn.Exec(t.Context(), `listen pgherald_control`); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() { s.api.RunRenewals(ctx) })
	running.Go(func() {
		for {
			n, err := conn.WaitForNotification(ctx)
			if err != nil {
				return
			}
			s.api.Renewal(n.Payload)
		}
	})
	t.Cleanup(func() { cancel(); running.Wait() })
	return s
}

// connection is what the stream's first event calls it.
func (l *listener) connection() string {
	l.Helper()
	_, rest, ok := strings.Cut(l.got.String(), `"connection":"`)
	id, _, closed := strings.Cut(rest, `"`)
	if !ok || !closed || len(id) < 20 {
		l.Fatalf("no connection in %s", l.got.String())
	}
	return id
}

// renew asks for a connection to be renewed, and wants this status and, unless it is 200, this code.
func (s *station) renew(status int, code, connection string, header ...string) (expires int64) {
	s.Helper()
	response, body := s.ask(http.MethodPost, "/api/events/"+connection+"/token", header...)
	var answer struct {
		Expires int64
		Code    string
	}
	if err := json.Unmarshal([]byte(body), &answer); err != nil || response.StatusCode != status || answer.Code != code {
		s.Errorf("renew: %d %s, %v, want %d %s", response.StatusCode, body, err, status, code)
	}
	return answer.Expires
}

// outlives reads until the stream is older than its first token, and hears something then.
func (l *listener) outlives(s *station, end time.Time) {
	l.Helper()
	for time.Now().Before(end.Add(500 * time.Millisecond)) {
		l.until(`"heartbeat"`)
	}
	s.commit("later")
	l.until(`"later"`)
	if n := strings.Count(l.got.String(), `"sync"`); n != 1 {
		l.Errorf("%d sync events in %s", n, l.got.String())
	}
}

func TestRenewInPlace(t *testing.T) {
	databaseURL := pgtest.NewDatabase(t)
	here, other := connected(t, databaseURL), connected(t, databaseURL)
	for name, at := range map[string]*station{"here": here, "at another server": other} {
		t.Run(name, func(t *testing.T) {
			s, at := here.on(t), at.on(t)
			end, later := time.Now().Truncate(time.Second).Add(2*time.Second), time.Now().Truncate(time.Second).Add(time.Hour)
			l := s.synced("", bearer(token(t, jwt.MapClaims{"exp": end.Unix()}))...)
			if got := at.renew(200, "", l.connection(), bearer(token(t, jwt.MapClaims{"exp": later.Unix()}))...); got != later.UnixMilli() {
				t.Errorf("expires %d, want %d", got, later.UnixMilli())
			}
			// A token that ends sooner does not bring the end nearer.
			at.renew(200, "", l.connection(), bearer(token(t, jwt.MapClaims{"exp": end.Unix() + 1}))...)
			l.outlives(s, end.Add(time.Second))
		})
	}
}

func TestAbuseRenewals(t *testing.T) {
	databaseURL := pgtest.NewDatabase(t)
	here, other := connected(t, databaseURL), connected(t, databaseURL)
	end := time.Now().Truncate(time.Second).Add(3 * time.Second)
	l := here.synced("", bearer(token(t, jwt.MapClaims{"exp": end.Unix()}))...)
	connection := l.connection()
	for _, at := range []*station{here, other} {
		at.renew(401, "token_required", connection)
		at.renew(401, "token_expired", connection, bearer(token(t, jwt.MapClaims{"exp": 1}))...)
		at.renew(409, "other_rights", connection, bearer(token(t, jwt.MapClaims{"sub": "eve"}))...)
		at.renew(409, "other_rights", connection, bearer(token(t, jwt.MapClaims{"roles": "nurse"}))...)
		at.renew(404, "connection", "x", bearer(token(t, nil))...)
		at.renew(404, "connection", strings.Repeat("x", 3000), bearer(token(t, nil))...)
	}
	// Whoever may only send notifications renews nothing.
	d := &server{T: t, conn: pgtest.Connect(t, databaseURL)}
	d.exec(`delete from pgherald.renewals; notify pgherald_control, '` + connection + `'`)
	l.rest()
	if !strings.Contains(l.got.String(), `{"mode":"expired"}`) {
		t.Errorf("got %s", l.got.String())
	}
	here.logs.await(t, 1, "stream closed", "reason=expired")
	other.renew(404, "connection", connection, bearer(token(t, nil))...) // nobody holds it any more
	here.renew(404, "connection", connection, bearer(token(t, nil))...)
}

// What was asked before is taken along, and the same stream can be renewed again and again.
func TestRenewalsArePruned(t *testing.T) {
	databaseURL := pgtest.NewDatabase(t)
	here, other := connected(t, databaseURL), connected(t, databaseURL)
	d := &server{T: t, conn: pgtest.Connect(t, databaseURL)}
	l := here.synced("", bearer(token(t, nil))...)
	for range 3 {
		other.renew(200, "", l.connection(), bearer(token(t, nil))...)
		d.exec(`update pgherald.renewals set asked = now() - interval '2 minutes'`)
	}
	d.exec(`insert into pgherald.renewals select i::text, '', now(), now() - interval '2 minutes' from generate_series(1, 100) as i`)
	other.renew(200, "", l.connection(), bearer(token(t, nil))...)
	same(t, 1, one[int](d, `select count(*)::int from pgherald.renewals`))
}

func TestNothingIsRenewedWhereNobodyChecksTokens(t *testing.T) {
	s := newStation(t, stationOptions{})
	if l := s.synced(""); strings.Contains(l.got.String(), "connection") {
		t.Errorf("got %s", l.got.String())
	}
	s.refuses(http.StatusNotFound, "nothing is here", http.MethodPost, "/api/events/x/token")
}
