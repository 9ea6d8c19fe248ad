package api_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/pgherald/pgherald/api"
	"github.com/pgherald/pgherald/api/auth"
	"github.com/pgherald/pgherald/stream"
)

// fourUsers have different grants; the last one has none.
func fourUsers() fakeAuthenticator {
	return fakeAuthenticator{
		"ann": {User: "ann", Grants: []string{"role:nurse", "user:ann"}},
		"bob": {User: "bob", Grants: []string{"role:nurse", "user:bob"}},
		"eve": {User: "eve", Grants: []string{"user:eve"}},
		"joe": {User: "joe"},
	}
}

// commitFor commits a transaction with one event for each audience, which is also its data, and wakes the feed.
func (s *streamServer) commitFor(audiences ...[]string) {
	tx := s.log.Begin()
	for _, audience := range audiences {
		data, _ := json.Marshal(strings.Join(audience, "+"))
		if audience == nil {
			data = []byte(`"all"`)
		}
		tx.Append(stream.Event{Type: "a", Key: fmt.Sprint(audience), Data: data, Audience: audience})
	}
	tx.Commit()
	s.wakeFeed()
}

// Audiences are enforced on every path to a client: live, resumed from memory and from the log, with and without a filter.
// The last event has no audience, so that every client can wait for it.
func TestEveryPathObeysAudiences(t *testing.T) {
	want := map[string]string{
		"ann": `"all" "user:ann" "role:nurse" "user:bob+user:ann" "*" "all"`,
		"bob": `"all" "role:nurse" "user:bob+user:ann" "*" "all"`,
		"eve": `"all" "*" "all"`,
		"joe": `"all" "*" "all"`,
	}
	for name, feed := range map[string]stream.FeedOptions{"memory": {}, "log": {Bytes: 1, Fill: 1}} {
		t.Run(name, func(t *testing.T) {
			s := newStreamServer(t, streamServerOptions{feed: feed, api: func(o *apiOptions) { o.add(api.Auth{Authenticator: fourUsers()}) }})
			from := idOf(s.openSynced("", "Test-User", "joe").received.String())
			streams := make(map[string][]*streamClient)
			for user := range want {
				for _, query := range []string{"", "?types=a,b"} {
					streams[user] = append(streams[user], s.openSynced(query, "Test-User", user))
				}
			}
			s.commitFor(nil, []string{"user:ann"}, []string{"role:nurse"})
			s.commitFor([]string{"user:bob", "user:ann"})
			s.commitFor([]string{"user:zoe"}, []string{}, []string{"role:"}, []string{"*"})
			s.commitFor(nil)
			for user := range want {
				for _, resume := range [][2]string{{"?since=" + from, ""}, {"", from}, {"?types=a&lastEventId=" + from, ""}} {
					streams[user] = append(streams[user], s.open(resume[0], "Test-User", user, "Last-Event-ID", resume[1]))
				}
			}
			for user, listeners := range streams {
				for i, l := range listeners {
					l.readUntil(`"all"`)
					if got := l.readUntil(`"all"`); idOf(got) == "" {
						t.Errorf("%s: %q has no id", user, got)
					}
					if got := strings.Join(l.payloads(), " "); got != want[user] {
						t.Errorf("%s, stream %d, got  %s\nwant %s", user, i, got, want[user])
					}
				}
			}
			if name == "log" && s.feed.Stats().CatchUps == 0 {
				t.Error("no client read the log: the test proves nothing")
			}
			s.awaitFeed(9) // clients that catch up can be ahead of the feed
			if got := s.feed.Stats(); got.Withheld != 1 || got.Events != 9 {
				t.Errorf("stats: %+v, want 1 event withheld of 9", got)
			}
		})
	}
}

// The numbers that a client sees do not count events that it may not receive.
func TestNumbersObeyAudiences(t *testing.T) {
	s := newStreamServer(t, streamServerOptions{api: func(o *apiOptions) { o.add(api.Auth{Authenticator: fourUsers()}) }})
	first := s.openSynced("", "Test-User", "eve")
	from := idOf(first.received.String())
	s.commitFor([]string{"role:nurse"}, []string{"user:eve"}, nil)
	s.commitFor([]string{"role:nurse"})
	first.readUntil(`"all"`)
	s.openSynced("?since="+from, "Test-User", "ann").readUntil(`"data":"role:nurse"`)
	l := s.open("?since="+from, "Test-User", "eve")
	if got := l.readUntil("sync"); !strings.Contains(got, `"events":2,`) {
		t.Errorf("resumed with %s, want 2 events", got)
	}
	l.readUntil(`"all"`)
	first.disconnect()
	s.logs.await(t, 1, "stream closed", "user=eve", "events=2 ")
}

// Without Auth no client has grants, whatever name it gives itself.
func TestUncheckedNamesGrantNothing(t *testing.T) {
	s := newStreamServer(t, streamServerOptions{})
	l := s.openSynced("?user=ann")
	s.commitFor([]string{"user:ann"}, []string{auth.Identity{}.Name()}, nil)
	l.readUntil(`"all"`)
	if got := strings.Join(l.payloads(), " "); got != `"all"` {
		t.Errorf("got %s", got)
	}
}
