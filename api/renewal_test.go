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

	"github.com/pgherald/pgherald/api"
	"github.com/pgherald/pgherald/db/control"
	"github.com/pgherald/pgherald/db/pgtest"
)

// newRenewalServer returns a server that receives the renewal requests of other servers on the same database.
func newRenewalServer(t *testing.T, databaseURL string) *streamServer {
	t.Helper()
	pool := newPool(t, databaseURL)
	s := newStreamServer(t, streamServerOptions{api: func(o *apiOptions) {
		o.add(api.Auth{Authenticator: newJWT(t), Renewals: control.NewRenewals(pool)})
	}})
	s.api.SetRenewalTimeout(waitLimit)
	conn := pgtest.Connect(t, databaseURL)
	if _, err := conn.Exec(t.Context(), `listen pgherald_control`); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() {
		for {
			n, err := conn.WaitForNotification(ctx)
			if err != nil {
				return
			}
			s.api.RenewalRequested(n.Payload)
		}
	})
	t.Cleanup(func() {
		cancel()
		pgtest.Within(t, "the end of the notifications", running.Wait)
	})
	return s
}

// connection returns the id of the connection from the stream's first event.
func (l *streamClient) connection() string {
	l.Helper()
	_, rest, ok := strings.Cut(l.received.String(), `"connection":"`)
	id, _, closed := strings.Cut(rest, `"`)
	if !ok || !closed || len(id) < 20 {
		l.Fatalf("no connection in %s", l.received.String())
	}
	return id
}

// renew requests a renewal, expects the status and, unless that is 200, the code, and returns the new end.
func (s *streamServer) renew(status int, code, connection string, header ...string) (expires int64) {
	s.Helper()
	response, body := s.request(http.MethodPost, "/api/events/"+connection+"/token", header...)
	var renewed struct {
		Expires int64
		Code    string
	}
	if err := json.Unmarshal([]byte(body), &renewed); err != nil || response.StatusCode != status || renewed.Code != code {
		s.Errorf("renew: %d %s, %v, want %d %s", response.StatusCode, body, err, status, code)
	}
	return renewed.Expires
}

func TestRenewalKeepsTheStream(t *testing.T) {
	databaseURL := pgtest.NewDatabase(t)
	here, other := newRenewalServer(t, databaseURL), newRenewalServer(t, databaseURL)
	for name, at := range map[string]*streamServer{"here": here, "at another server": other} {
		t.Run(name, func(t *testing.T) {
			s, at := here.forTest(t), at.forTest(t)
			end, later := hoursFromNow(1), hoursFromNow(2)
			l := s.openSynced("", validUntil(t, end)...)
			if got := at.renew(200, "", l.connection(), validUntil(t, later)...); got != later.UnixMilli() {
				t.Errorf("expires %d, want %d", got, later.UnixMilli())
			}
			// A token that expires earlier does not shorten the lease.
			if got := at.renew(200, "", l.connection(), validUntil(t, end)...); got != later.UnixMilli() {
				t.Errorf("with an earlier token: expires %d, want %d", got, later.UnixMilli())
			}
			s.commit("later")
			l.readUntil(`"later"`)
			if n := strings.Count(l.received.String(), `"sync"`); n != 1 {
				l.Errorf("%d sync events in %s", n, l.received.String())
			}
		})
	}
}

// hoursFromNow returns a time in whole seconds, the precision of tokens, that no test reaches.
func hoursFromNow(n time.Duration) time.Time {
	return time.Now().Truncate(time.Second).Add(n * time.Hour)
}

// validUntil returns the header with a token of alice that expires at that time.
func validUntil(t *testing.T, end time.Time) []string {
	t.Helper()
	return bearer(token(t, jwt.MapClaims{"exp": end.Unix()}))
}

func TestAbuseRenewals(t *testing.T) {
	databaseURL := pgtest.NewDatabase(t)
	here, other := newRenewalServer(t, databaseURL), newRenewalServer(t, databaseURL)
	end := hoursFromNow(1)
	l := here.openSynced("", validUntil(t, end)...)
	connection := l.connection()
	for _, at := range []*streamServer{here, other} {
		at.renew(401, "token_required", connection)
		at.renew(401, "token_expired", connection, bearer(token(t, jwt.MapClaims{"exp": 1}))...)
		at.renew(409, "other_rights", connection, bearer(token(t, jwt.MapClaims{"sub": "eve", "exp": hoursFromNow(2).Unix()}))...)
		at.renew(409, "other_rights", connection, bearer(token(t, jwt.MapClaims{"roles": "nurse", "exp": hoursFromNow(2).Unix()}))...)
		at.renew(404, "connection", "x", bearer(token(t, nil))...)
		at.renew(404, "connection", strings.Repeat("x", 3000), bearer(token(t, nil))...)
	}
	// A notification without a request in the table renews nothing.
	d := &database{T: t, conn: pgtest.Connect(t, databaseURL)}
	d.exec(`delete from pgherald.renewals; notify pgherald_control, '` + connection + `'`)
	// The lease is unchanged. A request through the other server is answered after that notification.
	for _, at := range []*streamServer{other, here} {
		if got := at.renew(200, "", connection, validUntil(t, end.Add(-time.Minute))...); got != end.UnixMilli() {
			t.Errorf("expires %d, want %d", got, end.UnixMilli())
		}
	}
	l.disconnect()
	here.logs.await(t, 1, "stream closed", "user=alice")
	for _, at := range []*streamServer{other, here} { // no server has the stream any more
		at.api.SetRenewalTimeout(time.Millisecond)
		at.renew(404, "connection", connection, bearer(token(t, nil))...)
	}
}

func TestRepeatedRenewal(t *testing.T) {
	databaseURL := pgtest.NewDatabase(t)
	here, other := newRenewalServer(t, databaseURL), newRenewalServer(t, databaseURL)
	l := here.openSynced("", bearer(token(t, nil))...)
	for range 3 {
		other.renew(200, "", l.connection(), bearer(token(t, nil))...)
	}
}

func TestNoRenewalsWithoutAuth(t *testing.T) {
	s := newStreamServer(t, streamServerOptions{})
	if l := s.openSynced(""); strings.Contains(l.received.String(), "connection") {
		t.Errorf("got %s", l.received.String())
	}
	s.expectProblem(http.StatusNotFound, "nothing is here", http.MethodPost, "/api/events/x/token")
}
