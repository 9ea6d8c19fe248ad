package api_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/pgherald/pgherald/db/pgtest"
)

// disconnect ends streams as an operator, and returns what the server answers.
func (s *streamServer) disconnect(body string) (answer struct {
	Streams, Servers int
	Complete         bool
},
) {
	s.Helper()
	r, err := http.NewRequestWithContext(s.Context(), http.MethodPost, s.web.URL+"/api/disconnect", strings.NewReader(body))
	if err != nil {
		s.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("Authorization", "Bearer "+token(s, jwt.MapClaims{"sub": "root", "roles": "operator"}))
	response, err := s.web.Client().Do(r)
	if err != nil {
		s.Fatal(err)
	}
	defer response.Body.Close()
	if err := json.NewDecoder(response.Body).Decode(&answer); err != nil || response.StatusCode != http.StatusOK {
		s.Errorf("disconnect %s: %s, %v", body, response.Status, err)
	}
	return answer
}

// An operator ends a user's streams at all servers. The tokens stay valid, so that the clients resume; with until they
// are refused for so long, also by a server that starts later, and other users notice nothing.
func TestDisconnect(t *testing.T) {
	for name, body := range map[string]string{
		"by user":          `{"user":"alice"%s}`,
		"by jti":           `{"jti":"t1"%s}`,
		"by user and time": `{"user":"alice","issuedBefore":"` + time.Now().Add(-time.Minute).Format(time.RFC3339) + `"%s}`,
	} {
		t.Run(name, func(t *testing.T) {
			databaseURL := pgtest.NewDatabase(t)
			here, there := newRevocationServer(t, databaseURL), newRevocationServer(t, databaseURL)
			alice, bob := old(t, "alice", "t1"), old(t, "bob", "t2")
			kept := []*streamClient{here.openSynced("", bearer(bob)...), there.openSynced("", bearer(bob)...)}
			streams := []*streamClient{here.openSynced("", bearer(alice)...), there.openSynced("?batch=100ms", bearer(alice)...)}
			if got := here.disconnect(fmt.Sprintf(body, "")); got.Streams < 1 || got.Servers < 1 {
				t.Errorf("answer %+v", got)
			}
			for _, l := range streams {
				if l.readToEnd(); !strings.Contains(l.received.String(), `{"mode":"expired"}`) {
					t.Errorf("received %s", l.received.String())
				}
			}
			there.logs.await(t, 1, "stream closed", "user=alice", "reason=disconnected")
			again := there.openSynced("", bearer(alice)...)
			until := fmt.Sprintf(`,"until":%q`, time.Now().Add(time.Hour).Format(time.RFC3339))
			here.disconnect(fmt.Sprintf(body, until))
			again.readToEnd()
			for _, s := range []*streamServer{here, there, newRevocationServer(t, databaseURL)} {
				response, got := s.request(http.MethodGet, "/api/events", bearer(alice)...)
				if response.StatusCode != http.StatusForbidden || !strings.Contains(got, `"code":"disconnected"`) || len(response.Header.Get("Retry-After")) != 4 {
					t.Errorf("while barred: %s %v %s", response.Status, response.Header, got)
				}
			}
			there.commit("late")
			for _, l := range kept[1:] {
				l.readUntil("late")
			}
			here.commit("late")
			kept[0].readUntil("late")
		})
	}
}

// A disconnect ends the streams of its time, once: not those that clients open afterwards.
func TestDisconnectEndsStreamsOnce(t *testing.T) {
	databaseURL := pgtest.NewDatabase(t)
	s := newRevocationServer(t, databaseURL)
	s.disconnect(`{"user":"alice"}`)
	l := s.openSynced("", bearer(old(t, "alice", "t1"))...)
	for range 3 { // a read returns the newest rows again
		if err := s.api.ReadRevocations(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	pgtest.Exec(t, pgtest.Connect(t, databaseURL), `select pgherald.disconnect(user_id => 'bob')`)
	if err := s.api.ReadRevocations(t.Context()); err != nil {
		t.Fatal(err)
	}
	s.commit("late")
	l.readUntil("late")
}

func TestInvalidDisconnects(t *testing.T) {
	s := newRevocationServer(t, pgtest.NewDatabase(t))
	for body, want := range map[string]string{
		`{}`:                              "give a user",
		`{"user":""}`:                     "user",
		`{"user":"alice","jti":"t1"}`:     "jti names one token",
		`{"user":"alice","until":"soon"}`: "until",
		`{"user":"alice","until":"2001-01-01T00:00:00Z"}`:  "in the future",
		`{"user":"alice","until":"2101-01-01T00:00:00Z"}`:  "within a year",
		`{"issuedBefore":"2101-01-01T00:00:00Z"}`:          "must not be in the future",
		`{"user":"alice","before":"2001-01-01T00:00:00Z"}`: "before",
		`[]`: "",
	} {
		if status, p := s.post("/api/disconnect", body); status != http.StatusBadRequest || !strings.Contains(p.Detail, want) {
			t.Errorf("%s: %d %+v", body, status, p)
		}
	}
	if status, p := s.postAs(token(t, jwt.MapClaims{"sub": "alice"}), "/api/disconnect", strings.NewReader(`{"user":"bob"}`)); status != http.StatusForbidden {
		t.Errorf("without the role: %d %+v", status, p)
	}
}

// A ticket has the roles and grants of its time, so that a disconnect takes it.
func TestDisconnectTakesTickets(t *testing.T) {
	s := newRevocationServer(t, pgtest.NewDatabase(t))
	alice, bob := s.issueTicket(bearer(old(t, "alice", "t1"))...), s.issueTicket(bearer(old(t, "bob", "t2"))...)
	s.disconnect(`{"user":"alice"}`)
	s.expectInvalidTicket("?ticket=" + alice)
	s.openSynced("?ticket=" + bob)
	s.openSynced("?ticket=" + s.issueTicket(bearer(old(t, "alice", "t1"))...))
}

// Deleting the row of a disconnect lifts its bar, once the servers have read all rows again.
func TestLiftedBar(t *testing.T) {
	databaseURL := pgtest.NewDatabase(t)
	s := newRevocationServer(t, databaseURL)
	alice := bearer(old(t, "alice", "t1"))
	s.disconnect(fmt.Sprintf(`{"user":"alice","until":%q}`, time.Now().Add(time.Hour).Format(time.RFC3339)))
	s.expectProblem(http.StatusForbidden, "an operator ended your streams", http.MethodGet, "/api/events", alice...)
	pgtest.Exec(t, pgtest.Connect(t, databaseURL), `delete from pgherald.disconnects where user_id = 'alice'`)
	if err := s.api.ReadAllRevocations(t.Context()); err != nil {
		t.Fatal(err)
	}
	s.openSynced("", alice...)
}

// A server that starts while an operator waits has nothing to end, and says so.
func TestDisconnectBesideAStart(t *testing.T) {
	databaseURL := pgtest.NewDatabase(t)
	conn := pgtest.Connect(t, databaseURL)
	pgtest.Exec(t, conn, `select pgherald.disconnect(user_id => 'alice')`)
	pgtest.Exec(t, conn, `select pgherald.disconnect(user_id => 'bob')`)
	pgtest.Exec(t, conn, `update pgherald.disconnects set disconnected_at = disconnected_at - interval '1 minute' where user_id = 'bob'`)
	pgtest.Exec(t, conn, `update pgherald.disconnects set disconnected_at = disconnected_at + interval '1 hour' where user_id = 'alice'`)
	s := newRevocationServer(t, databaseURL)
	if err := s.api.ReadRevocations(t.Context()); err != nil {
		t.Fatal(err)
	}
	var counts string
	if err := conn.QueryRow(t.Context(), `select string_agg(user_id || servers, ' ' order by id) from pgherald.disconnects`).Scan(&counts); err != nil || counts != "alice1 bob0" {
		t.Errorf("servers that have read the rows: %q, %v", counts, err)
	}
}
