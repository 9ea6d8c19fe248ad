package api_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/pgherald/pgherald/api"
	"github.com/pgherald/pgherald/stream"
	"github.com/pgherald/pgherald/stream/streamtest"
)

// logPage is a page of the log as a client reads it.
type logPage struct {
	Events         []json.RawMessage
	Before, Cursor string
}

// newLogServer serves the history of a log in memory.
func newLogServer(t *testing.T, features ...api.Option) *streamServer {
	t.Helper()
	log := streamtest.NewLog("k3f9")
	return newStreamServerOn(t, log, streamServerOptions{api: func(o *apiOptions) {
		o.add(append(features, api.History{Log: log})...)
	}})
}

// fetchLog requests a page of the log.
func (s *streamServer) fetchLog(query string, header ...string) (response *http.Response, body string) {
	s.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), waitLimit)
	defer cancel()
	response = s.send(ctx, http.MethodGet, "/api/log"+query, header...)
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		s.Fatal(err)
	}
	return response, string(text)
}

func (s *streamServer) logPage(query string, header ...string) (p logPage) {
	s.Helper()
	response, body := s.fetchLog(query, header...)
	if err := json.Unmarshal([]byte(body), &p); err != nil || response.StatusCode != http.StatusOK || response.Header.Get("Pgherald-Cursor") != p.Cursor {
		s.Fatalf("%s: %v, status %d: %s", query, err, response.StatusCode, body)
	}
	return p
}

func TestBytesOfTheLog(t *testing.T) {
	s := newLogServer(t)
	s.commit("activity_created")
	s.commit("activity_updated", "assignment_changed")
	open := s.log.Begin()
	open.Write("activity_deleted", "row")
	s.commit("activity_updated")
	_, first := s.fetchLog("?max=2")
	golden(t, "log_first", first)
	_, last := s.fetchLog("?max=2&before=" + s.logPage("?max=2").Before)
	golden(t, "log_last", last)
	_, filtered := s.fetchLog("?where.key=row&types=assignment_changed")
	golden(t, "log_filtered", filtered)
	open.Commit()
	if p := s.logPage("?types=activity_deleted&unknown=allow"); len(p.Events) != 1 {
		t.Errorf("after the commit: %s", p.Events)
	}
}

// TestLogOfCollections reads what a stream of a collection had sent: the same envelopes, the same moves.
func TestLogOfCollections(t *testing.T) {
	log := streamtest.NewLog("k3f9")
	s := newShopOn(t, log, stream.FeedOptions{}, api.Auth{Authenticator: fourUsers()}, api.History{Log: log})
	start := s.page("", "Test-User", "ann").Cursor
	s.commitShop()
	s.awaitFeed(13)
	for _, query := range []string{
		"collection=orders", "collection=orders&where.status=open", "collection=orders&key=2",
		"q.open=collection:orders;where.status=open&q.paid=collection:orders;where.status=paid&q.all=collection:customers",
	} {
		var want, got []string
		for _, e := range s.page("?max=1000&since="+start+"&"+query, "Test-User", "ann").Events {
			want = append(want, string(e))
		}
		for before := ""; ; {
			p := s.logPage("?max=3&"+query+before, "Test-User", "ann")
			for _, e := range p.Events {
				got = append(got, string(e))
			}
			if before = "&before=" + p.Before; p.Before == "" {
				break
			}
		}
		slices.Reverse(got)
		if diff := cmp.Diff(want, got); diff != "" || len(got) == 0 {
			t.Errorf("%s (- stream, + log):\n%s", query, diff)
		}
	}
	_, body := s.fetchLog("", "Test-User", "ann")
	golden(t, "log_collections", body)
}

// TestLogAndStreamFitTogether reads random histories in pages while others commit, and then the stream.
func TestLogAndStreamFitTogether(t *testing.T) {
	s := newLogServer(t)
	r := rand.New(rand.NewPCG(4, 2))
	written := randomHistory(s, r)
	late := s.log.Begin()
	late.Write("a", "late")
	s.commit("b")
	first := s.logPage("?max=7")
	late.Commit()
	s.commit("c")
	s.awaitFeed(written + 3)
	seen := map[int64]int{}
	count := func(events []json.RawMessage) {
		for _, raw := range events {
			var e struct{ ID int64 }
			if err := json.Unmarshal(raw, &e); err != nil {
				t.Fatal(err)
			}
			seen[e.ID]++
		}
	}
	count(first.Events)
	for before := first.Before; before != ""; {
		p := s.logPage("?max=7&before=" + url.QueryEscape(before))
		if p.Cursor != first.Cursor {
			t.Fatalf("the cursor was %s, and is %s", first.Cursor, p.Cursor)
		}
		count(p.Events)
		before = p.Before
	}
	count(s.page("?max=1000&since=" + first.Cursor).Events)
	for _, tx := range s.log.Committed() {
		for _, e := range tx.Events {
			if seen[e.ID] != 1 {
				t.Errorf("event %d of transaction %d came %d times", e.ID, tx.XID, seen[e.ID])
			}
			delete(seen, e.ID)
		}
	}
	if len(seen) != 0 {
		t.Errorf("events of no commit: %v", seen)
	}
}

func TestLogRefuses(t *testing.T) {
	s := newLogServer(t, api.EventTypes{Known: func() []string { return []string{"a"} }, Recent: func(context.Context) ([]string, error) { return nil, nil }})
	s.commit("a", "a")
	before := s.logPage("?max=1").Before
	for query, want := range map[string]string{
		"?befor=x": "is unknown: use before, max, types", "?max=0": "from 1 to 1000", "?max=1&max=2": "from 1 to 1000", "?max=1001": "from 1 to 1000",
		"?before=x": "must be the before", "?before=" + before + "&before=" + before: "must be the before", "?before=": "must be the before",
		"?before=" + strings.Repeat("1", 5000): "must be the before", "?before=" + url.QueryEscape(before+"\x00"): "must be the before",
		"?types=b": "the types are a", "?conflate=1": "is unknown", "?batch=1s": "is unknown", "?since=x": "is unknown",
		"?collection=x": "has no collections", "?where.x=in.(a)": "add collection=NAME", "?%zz": "malformed",
	} {
		if response, body := s.fetchLog(query); response.StatusCode != http.StatusBadRequest || !strings.Contains(body, want) {
			t.Errorf("%.80s: status %d, %s; want %q", query, response.StatusCode, body, want)
		}
	}
	s.log.Replace("other")
	for query, want := range map[string]int{"?before=" + before: http.StatusGone, "": http.StatusOK} {
		if response, body := s.fetchLog(query); response.StatusCode != want {
			t.Errorf("%s of another log: status %d, %s", query, response.StatusCode, body)
		}
	}
	s.log.Break(fmt.Errorf("read the log: %w", context.DeadlineExceeded))
	if response, body := s.fetchLog(""); response.StatusCode != http.StatusServiceUnavailable || response.Header.Get("Retry-After") == "" {
		t.Errorf("of a log that cannot be read: status %d, %s", response.StatusCode, body)
	}
}

// TestLogAudience reads events with tags as clients with and without the grant.
func TestLogAudience(t *testing.T) {
	s := newLogServer(t, api.Auth{Authenticator: fakeAuthenticator{"ann": {User: "ann", Grants: []string{"x"}}, "bob": {User: "bob"}}})
	tx := s.log.Begin()
	for _, audience := range [][]string{nil, {}, {"x"}, {"y"}, {"y", "x"}, {stream.Everyone}} {
		tx.Append(stream.Event{Type: "a", Data: json.RawMessage(`1`), Audience: audience})
	}
	tx.Commit()
	for user, want := range map[string]int{"ann": 4, "bob": 2} {
		if p := s.logPage("", "Test-User", user); len(p.Events) != want {
			t.Errorf("%s receives %s", user, p.Events)
		}
	}
	if response, _ := s.fetchLog("", "Test-User", "eve"); response.StatusCode != http.StatusUnauthorized {
		t.Errorf("without a token: %d", response.StatusCode)
	}
}
