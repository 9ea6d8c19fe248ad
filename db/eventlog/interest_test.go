package eventlog_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/pgherald/pgherald/db/pgtest"
	"github.com/pgherald/pgherald/stream"
)

// TestInterestIncludesFormerAudiences reads what a client needs to learn that rows left it, and events without a key.
func TestInterestIncludesFormerAudiences(t *testing.T) {
	url := pgtest.NewDatabase(t)
	log := openLog(t, url)
	start := head(t, log, 0)
	pgtest.Exec(t, pgtest.Connect(t, url), `
		insert into pgherald.events (type, key, audience, audience_was, data) values
			('a', '1', '{x}', '{me}', '1'), ('a', '2', '{x}', '{y}', '1'), ('a', '3', '{x}', '{*}', '1'), ('a', '4', '{}', null, '1'),
			('a', '5', '{me}', '{y}', '1'), ('a', null, null, null, '1'), ('a', '', null, null, '1'), ('b', '1', '{x}', '{me}', '1')`)
	for name, test := range map[string]struct {
		keys []string
		want string
	}{
		"every key": {nil, "1 3 5  "},
		"some keys": {[]string{"", "2", "3"}, "3  "},
		"one key":   {[]string{"1"}, "1"},
	} {
		r, err := log.Resume(t.Context(), start)
		if err != nil {
			t.Fatal(err)
		}
		tx, err := r.Next(t.Context(), stream.Interest{Types: []string{"a"}, Keys: test.keys, Grants: []string{"*", "me"}})
		if err != nil {
			t.Fatal(err)
		}
		var keys []string
		for _, e := range tx.Events {
			keys = append(keys, e.Key)
		}
		if got := strings.Join(keys, " "); got != test.want {
			t.Errorf("%s: got keys %q, want %q", name, got, test.want)
		}
	}
}

func TestRecentTypes(t *testing.T) {
	url := pgtest.NewDatabase(t)
	log := openLog(t, url)
	pgtest.Exec(t, pgtest.Connect(t, url), `insert into pgherald.events (type, data) select t, '1' from unnest(array['a', 'b', 'a', repeat('x', 2000)]) as t`)
	types, err := log.RecentTypes(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(types)
	if !slices.Equal(types, []string{"a", "b"}) {
		t.Errorf("got %q", types)
	}
}
