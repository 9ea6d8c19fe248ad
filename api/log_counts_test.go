package api_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/pgherald/pgherald/api"
	"github.com/pgherald/pgherald/stream"
	"github.com/pgherald/pgherald/stream/streamtest"
)

// TestLogCounts counts events of an in-memory log, whose times are a few milliseconds after 1970, as clients with and
// without a grant.
func TestLogCounts(t *testing.T) {
	s := newLogServer(t, api.Auth{Authenticator: fakeAuthenticator{"ann": {User: "ann", Grants: []string{"x"}}, "bob": {User: "bob"}}})
	tx := s.log.Begin()
	for i, audience := range [][]string{nil, {"x"}, {"y"}, {}, nil} {
		tx.Append(stream.Event{Type: string(rune('a' + i%2)), Key: fmt.Sprint(i), Data: json.RawMessage(`1`), Audience: audience})
	}
	tx.Commit()
	from := fmt.Sprintf("?step=24h&from=%d", time.Now().Add(-999*24*time.Hour).UnixMilli())
	for _, test := range []struct{ user, query, want string }{
		{"ann", "", ""}, {"ann", from, ""},
	} {
		response, body := s.fetchLog("/counts"+test.query, "Test-User", test.user)
		var got struct {
			Counts []struct{ Types map[string]int64 }
			Cursor string
		}
		if err := json.Unmarshal([]byte(body), &got); err != nil || response.StatusCode != http.StatusOK || len(got.Counts) != 0 || response.Header.Get("Pgherald-Cursor") != got.Cursor {
			t.Errorf("%s%s: %v, status %d: %s", test.user, test.query, err, response.StatusCode, body)
		}
	}
	if response, _ := s.fetchLog("/counts", "Test-User", "eve"); response.StatusCode != http.StatusUnauthorized {
		t.Errorf("without a token: %d", response.StatusCode)
	}
	for query, want := range map[string]string{
		"step=0s": "1s to 24h", "step=25h": "1s to 24h", "step=1500ms": "whole seconds", "step=1s&step=1s": "one time", "step=": "1s to 24h",
		"from=x": "RFC3339", "from=1": "larger step", "from=99999999999999": "larger step", "where.a=1": "do not look", "any=(a.eq.1)": "do not look",
		"q.a=collection:b": "do not look", "befor=1": "use step, from, types", "before=1": "is unknown",
	} {
		response, body := s.fetchLog("/counts?"+query, "Test-User", "ann")
		if want == "RFC3339" {
			want = "2026-01-02T03:04:05Z"
		}
		if response.StatusCode != http.StatusBadRequest || !strings.Contains(body, want) {
			t.Errorf("%s: status %d, %s; want %q", query, response.StatusCode, body, want)
		}
	}
	q := stream.CountQuery{From: time.Unix(0, 0), Step: time.Second}
	for grants, want := range map[string]map[string]int64{"x": {"a": 2, "b": 1}, "": {"a": 2}} {
		q.Filter = stream.Filter{}.WithGrants(strings.Fields(grants))
		counts, err := stream.CountHistory(t.Context(), s.log, q)
		if err != nil {
			t.Fatal(err)
		}
		got := map[string]int64{}
		for _, b := range counts.Buckets {
			got[b.Type] += b.Events
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("with the grant %q:\n%s", grants, diff)
		}
	}
}

// manyTypes is a log with a step of many types.
type manyTypes struct{ api.HistoryLog }

func (manyTypes) CountBack(_ context.Context, _ stream.Position, q stream.CountQuery, _ int) (past stream.CountedPast, err error) {
	for i := range 5000 {
		past.Buckets = append(past.Buckets, stream.Bucket{At: q.From, Type: fmt.Sprintf("type_%d", i), Events: 1})
	}
	return past, nil
}

// Counts take memory until the client has read them, as pages do.
func TestLogCountsNeedMemory(t *testing.T) {
	for bytes, want := range map[int64]int{1: http.StatusServiceUnavailable, 1 << 20: http.StatusOK} {
		log := streamtest.NewLog("k3f9")
		s := newStreamServerOn(t, log, streamServerOptions{api: func(o *apiOptions) {
			o.PageBytes = bytes
			o.add(api.History{Log: manyTypes{log}})
		}})
		if response, body := s.fetchLog("/counts"); response.StatusCode != want {
			t.Errorf("with %d bytes for pages: status %d, %.200s", bytes, response.StatusCode, body)
		}
	}
}
