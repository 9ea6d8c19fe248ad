package api_test

import (
	"crypto/sha256"
	"encoding/json"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/pgherald/pgherald/api"
	"github.com/pgherald/pgherald/db/control"
	"github.com/pgherald/pgherald/db/pgtest"
	"github.com/pgherald/pgherald/stream"
)

// newTicketServer returns a server that checks tokens and issues tickets, on the given database.
func newTicketServer(t *testing.T, databaseURL string) *streamServer {
	t.Helper()
	pool := newPool(t, databaseURL)
	return newStreamServer(t, streamServerOptions{api: func(o *apiOptions) {
		o.add(api.Auth{Authenticator: newJWT(t), OperatorRole: "operator", Tickets: control.NewTickets(pool)}, api.Presence{List: control.NewPresenceList(pool, snapshotCursor)})
	}})
}

// issueTicket requests a ticket and returns it.
func (s *streamServer) issueTicket(header ...string) string {
	s.Helper()
	began := time.Now()
	response, body := s.request(http.MethodPost, "/api/tickets", header...)
	var given struct {
		Ticket  string
		Expires int64
	}
	if err := json.Unmarshal([]byte(body), &given); err != nil || response.StatusCode != http.StatusCreated || len(given.Ticket) < 26 {
		s.Fatalf("ticket: %d %s, %v", response.StatusCode, body, err)
	}
	if ends := time.UnixMilli(given.Expires); ends.Before(began.Add(29*time.Second)) || ends.After(time.Now().Add(31*time.Second)) {
		s.Errorf("the ticket is valid from %v to %v", began, ends)
	}
	if response.Header.Get("Cache-Control") != "no-store" {
		s.Errorf("headers %v", response.Header)
	}
	return given.Ticket
}

// expectInvalidTicket requests a stream and expects the problem of an invalid ticket.
func (s *streamServer) expectInvalidTicket(target string, header ...string) {
	s.Helper()
	response, body := s.request(http.MethodGet, "/api/events"+target, header...)
	if response.StatusCode != http.StatusUnauthorized || !strings.Contains(body, `"code":"ticket"`) {
		s.Errorf("%s: %d %s", target, response.StatusCode, body)
	}
}

func TestTicketHasTheIdentityOfItsToken(t *testing.T) {
	s := newTicketServer(t, pgtest.NewDatabase(t))
	end := time.Now().Add(time.Hour).Truncate(time.Second)
	given := s.issueTicket(bearer(token(t, jwt.MapClaims{"exp": end.Unix(), "roles": []string{"nurse"}}))...)
	l := s.openSynced("?types=a&ticket=" + given)
	var first struct{ Data struct{ Expires int64 } }
	_, data, _ := strings.Cut(l.received.String(), "data: ")
	if err := json.Unmarshal([]byte(data[:strings.Index(data, "\n")]), &first); err != nil || first.Data.Expires != end.UnixMilli() {
		t.Errorf("first event %s, %v", data, err)
	}
	for _, role := range []string{"role:doctor", "role:nurse"} {
		s.commitTo(role)
	}
	l.readUntil(`role:nurse`)
	same(t, []string{`"role:nurse"`}, l.payloads())
	_, body := s.request(http.MethodGet, "/api/stats", bearer(token(t, jwt.MapClaims{"roles": "operator"}))...)
	if !strings.Contains(body, `"connectionsByUser":{"alice":1}`) {
		t.Errorf("stats %s", body)
	}
}

func TestAbuseReplayedTicket(t *testing.T) {
	s := newTicketServer(t, pgtest.NewDatabase(t))
	given := s.issueTicket(bearer(token(t, nil))...)
	s.openSynced("?ticket=" + given).disconnect()
	s.expectInvalidTicket("?ticket=" + given)
	s.expectInvalidTicket("?ticket="+given, bearer(token(t, nil))...) // the valid token does not help
	s.expectInvalidTicket("?ticket=")
	s.expectInvalidTicket("?ticket=" + strings.Repeat("x", 5000))
	s.expectProblem(http.StatusBadRequest, "is given twice", http.MethodGet, "/api/events?ticket=a&ticket=b")
	s.expectProblem(http.StatusBadRequest, "cannot be combined with a ticket", http.MethodGet, "/api/events?ticket=a&access_token=b")
}

// Of concurrent requests with one ticket, one succeeds.
func TestAbuseSharedTicket(t *testing.T) {
	s := newTicketServer(t, pgtest.NewDatabase(t))
	given := s.issueTicket(bearer(token(t, nil))...)
	var accepted, refused atomic.Int32
	var clients sync.WaitGroup
	for range 20 {
		clients.Go(func() {
			response := s.open("?ticket=" + given).response
			switch response.StatusCode {
			case http.StatusOK:
				accepted.Add(1)
			case http.StatusUnauthorized:
				refused.Add(1)
			}
		})
	}
	clients.Wait()
	if accepted.Load() != 1 || refused.Load() != 19 {
		t.Errorf("%d accepted, %d refused, want 1 and 19", accepted.Load(), refused.Load())
	}
}

// A ticket of one server is valid at another one, and once on both together.
func TestTicketOfAnotherServer(t *testing.T) {
	databaseURL := pgtest.NewDatabase(t)
	one, other := newTicketServer(t, databaseURL), newTicketServer(t, databaseURL)
	given := one.issueTicket(bearer(token(t, nil))...)
	other.openSynced("?ticket=" + given)
	one.expectInvalidTicket("?ticket=" + given)
	elsewhere := newTicketServer(t, pgtest.NewDatabase(t))
	elsewhere.expectInvalidTicket("?ticket=" + one.issueTicket(bearer(token(t, nil))...))
}

func TestTicketNeedsAToken(t *testing.T) {
	s := newTicketServer(t, pgtest.NewDatabase(t))
	s.expectProblem(http.StatusUnauthorized, "a token is required", http.MethodPost, "/api/tickets")
	given := s.issueTicket(bearer(token(t, nil))...)
	s.expectProblem(http.StatusUnauthorized, "a token is required", http.MethodPost, "/api/tickets?ticket="+given) // a ticket yields no ticket
	s.expectProblem(http.StatusUnauthorized, "a token is required", http.MethodGet, "/api/presence?ticket="+given)
	s.openSynced("?ticket=" + given)
}

// The table contains no ticket, only hashes.
func TestTicketsAreHashed(t *testing.T) {
	databaseURL := pgtest.NewDatabase(t)
	s := newTicketServer(t, databaseURL)
	d := &database{T: t, conn: pgtest.Connect(t, databaseURL)}
	given := s.issueTicket(bearer(token(t, nil))...)
	all := queryOne[string](d, `select json_agg(t)::text from pgherald.tickets as t`)
	hash := sha256.Sum256([]byte(given))
	if strings.Contains(all, given) || queryOne[int](d, `select count(*)::int from pgherald.tickets where hash = $1`, hash[:]) != 1 {
		t.Errorf("table %s", all)
	}
}

func TestAbuseExpiredTicket(t *testing.T) {
	databaseURL := pgtest.NewDatabase(t)
	s := newTicketServer(t, databaseURL)
	d := &database{T: t, conn: pgtest.Connect(t, databaseURL)}
	given := s.issueTicket(bearer(token(t, nil))...)
	d.exec(`update pgherald.tickets set expires = clock_timestamp() - interval '1 ms'`)
	s.expectInvalidTicket("?ticket=" + given)
}

func TestTicketsWithoutTheirTable(t *testing.T) {
	databaseURL := pgtest.NewDatabase(t)
	s := newTicketServer(t, databaseURL)
	conn := pgtest.Connect(t, databaseURL)
	if _, err := conn.Exec(t.Context(), `drop table pgherald.tickets`); err != nil {
		t.Fatal(err)
	}
	s.expectProblem(http.StatusInternalServerError, "the server made an error", http.MethodPost, "/api/tickets", bearer(token(t, nil))...)
	s.expectProblem(http.StatusInternalServerError, "the server made an error", http.MethodGet, "/api/events?ticket=x")
	s.logs.await(t, 2, "request failed", "ticket")
}

func TestNoTicketsWithoutAuth(t *testing.T) {
	s := newStreamServer(t, streamServerOptions{})
	s.expectProblem(http.StatusNotFound, "nothing is here", http.MethodPost, "/api/tickets")
	s.expectProblem(http.StatusBadRequest, "has no effect", http.MethodGet, "/api/events?ticket=x")
}

// commitTo commits an event whose audience is one tag, and wakes the feed.
func (s *streamServer) commitTo(tag string) {
	tx := s.log.Begin()
	data, _ := json.Marshal(tag)
	tx.Append(stream.Event{Type: "a", Data: data, Audience: []string{tag}})
	tx.Commit()
	s.wakeFeed()
}
