package api_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/pgherald/pgherald/api"
	"github.com/pgherald/pgherald/db/control"
)

// newestEvent returns the newest event of the log as type, key, audience and data.
func (s *server) newestEvent() string {
	s.Helper()
	return queryOne[string](&s.database, `
		select concat_ws(' ', type, coalesce(key, '-'), coalesce(audience::text, '-'), data::text)
		from pgherald.events order by id desc limit 1`)
}

func TestPublish(t *testing.T) {
	s := newServer(t)
	for body, want := range map[string]string{
		`{"type":"note","data":{"a":1}}`:                                          `note - - {"a":1}`,
		`{"type":"note","data":null,"key":null,"audience":null}`:                  `note - - null`,
		`{"type":"a.b:c-d_1","data":[1,2],"key":"k 1","audience":["user:é","x"]}`: `a.b:c-d_1 k 1 {user:é,x} [1,2]`,
		`{"type":"note","data":"x","audience":[]}`:                                `note - {} "x"`,
	} {
		a := s.do(http.StatusCreated, "POST", "/api/events", body)
		id := queryOne[int64](&s.database, `select max(id) from pgherald.events`)
		same(t, fmt.Sprintf("{\"id\":%d}\n", id), a.raw)
		same(t, want, s.newestEvent())
	}
}

func TestPublishRejects(t *testing.T) {
	s := newServer(t)
	for body, want := range map[string]string{
		`{"type":"note"}`:          "data is required",
		`{"data":1}`:               "type is required",
		`{"type":null,"data":1}`:   "type must not be null",
		`{"type":"Note","data":1}`: "a lower-case letter and then up to 62",
		`{"type":"a\nb","data":1}`: "a lower-case letter and then up to 62",
		`{"type":"` + strings.Repeat("a", 64) + `","data":1}`: "a lower-case letter and then up to 62",
		`{"type":"presence_updated","data":1}`:                "the event type presence_updated is built in",
		`{"type":"sync","data":1}`:                            "is built in",
		`{"type":"note","data":1,"key":7}`:                    "key must be a string",
		`{"type":"note","data":1,"audience":"user:1"}`:        "audience must be an array of strings or null, not a string",
		`{"type":"note","data":1,"audience":["a",null]}`:      "audience tag 1 must not be null",
		`{"type":"note","data":1,"audience":[1]}`:             "audience tag 0 must be a string, not a number",
		`{"type":"note","data":1,"audience":["a\u0000"]}`:     "audience tag 0 must not contain the character U+0000",
		`{"type":"note","data":1,"who":1}`:                    "who is unknown: use type, data, key, audience",
		`{"type":"note","data":1} x`:                          "not valid JSON",
		"{\"type\":\"note\",\"data\":\"\xff\"}":               "the database cannot store a value",
	} {
		a := s.do(http.StatusBadRequest, "POST", "/api/events", body)
		if !strings.Contains(a.body["detail"].(string), want) {
			t.Errorf("%s: %s, want %s", body, a.raw, want)
		}
	}
	s.do(http.StatusRequestEntityTooLarge, "POST", "/api/events", `{"type":"note","data":"`+strings.Repeat("x", 64<<10)+`"}`)
	s.do(http.StatusForbidden, "POST", "/api/events", `{"type":"note","data":1}`, "Origin", "https://elsewhere.example", "Sec-Fetch-Site", "cross-site")
	same(t, 0, queryOne[int](&s.database, `select count(*) from pgherald.events`))
}

// An identity without the role is refused before its body is read.
func TestPublishNeedsTheRole(t *testing.T) {
	s := newServer(t)
	check := fakeAuthenticator{"bob": {User: "bob"}, "press": {User: "press", Roles: []string{"press"}}}
	for role, want := range map[string]int{"press": http.StatusCreated, "": http.StatusForbidden} {
		handler := newAPI(t, apiOptions{features: []api.Option{api.Publishing{Publisher: control.NewPublisher(s.pool), Role: role}, api.Auth{Authenticator: check}}}).Handler()
		for user, status := range map[string]int{"": http.StatusUnauthorized, "bob": http.StatusForbidden, "press": want} {
			r := httptest.NewRequest(http.MethodPost, "/api/events", strings.NewReader(`{"type":"note","data":1}`))
			r.Header.Set("Content-Type", "application/json")
			r.Header.Set("Test-User", user)
			got := httptest.NewRecorder()
			if handler.ServeHTTP(got, r); got.Code != status {
				t.Errorf("role %q, user %q: %d %s, want %d", role, user, got.Code, got.Body, status)
			}
		}
	}
}
