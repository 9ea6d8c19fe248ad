package api_test

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/pgherald/pgherald/api"
	"github.com/pgherald/pgherald/stream"
)

// selected is an event as one selection of several gets it, or as a stream of its own has it.
type selected struct {
	ID         int64           `json:"id"`
	Type       string          `json:"type"`
	Data       json.RawMessage `json:"data"`
	Oversized  bool            `json:"oversized"`
	Collection string          `json:"collection"`
	Op         string          `json:"op"`
	Moved      bool            `json:"moved"`
	Key        string          `json:"key"`
	XID        string          `json:"xid"`
	Timestamp  int64           `json:"timestamp"`

	Q   []string `json:"q"`
	Ops map[string]struct {
		Op    string `json:"op"`
		Moved bool   `json:"moved"`
	} `json:"ops"`
}

// as returns what the event is for one selection, as docs/protocol.md says.
func (e selected) as(name string, isOfEvents bool) selected {
	if o, differs := e.Ops[name]; differs {
		if e.Op, e.Moved = o.Op, o.Moved; e.Op == "delete" || e.Op == "reset" {
			e.Data = nil
		}
	}
	e.Q, e.Ops = nil, nil
	if isOfEvents {
		e.Collection, e.Op, e.Moved, e.XID = "", "", false, ""
		if !e.Oversized {
			e.Key = ""
		}
	}
	return e
}

// selections are what one stream can have, as its parameters and as those of a stream of its own.
var selections = map[string]string{
	"all":     "events",
	"types":   "events;types=order_created,customer_created",
	"key":     "events;key=2;key=3",
	"where":   "events;where.status=open;types=order_created,order_updated,order_deleted",
	"orders":  "collection:orders",
	"open":    "collection:orders;where.status=open",
	"other":   "collection:orders;where.status=neq.open;key=1;key=2",
	"clients": "collection:customers",
}

// separate returns the query of a stream of its own.
func separate(selection string) string {
	query := strings.ReplaceAll(selection, "collection:", "collection=")
	return strings.ReplaceAll(strings.TrimPrefix(strings.TrimPrefix(query, "events"), ";"), ";", "&")
}

// TestSelectionsEqualSeparateStreams writes random histories, and compares what each of several selections has of one stream,
// and of pages, with what a stream of its own has: from memory and from the log, with random parts.
func TestSelectionsEqualSeparateStreams(t *testing.T) {
	for name, options := range map[string]stream.FeedOptions{"memory": {}, "log": {Bytes: 1, Fill: 1}, "both": {Bytes: 3000, Fill: 1}} {
		t.Run(name, func(t *testing.T) {
			s := newShop(t, options, api.Auth{Authenticator: fourUsers()})
			s.log.PartSize = 3
			r := rand.New(rand.NewPCG(17, 1))
			since := s.page("", "Test-User", "ann").Cursor
			s.awaitFeed(s.commitRandomShop(r))
			want := map[string][]selected{}
			for name, selection := range selections {
				want[name] = s.follow("?since="+since+"&"+separate(selection), name)[""]
			}
			for range 12 {
				names := slices.Sorted(maps.Keys(selections))
				r.Shuffle(len(names), func(i, j int) { names[i], names[j] = names[j], names[i] })
				names = names[:1+r.IntN(len(names))]
				query := "?since=" + since
				for _, name := range names {
					query += "&q." + name + "=" + url.QueryEscape(selections[name])
				}
				got := s.follow(query, names...)
				if r.IntN(2) == 0 {
					got = s.followPages(query, 1+r.IntN(20), names...)
				}
				for _, name := range names {
					if diff := cmp.Diff(want[name], got[name]); diff != "" {
						t.Fatalf("%s beside %v (- a stream of its own, + several selections):\n%s", name, names, diff)
					}
				}
			}
		})
	}
}

// commitRandomShop writes transactions about orders and customers, with audiences, and one that every selection gets. It
// returns the number of events.
func (s *streamServer) commitRandomShop(r *rand.Rand) (events uint64) {
	audiences := [][]string{nil, nil, {"user:ann"}, {"role:nurse"}, {"user:eve"}}
	statuses := []string{"open", "paid"}
	draw := func() stream.Event {
		key, status := fmt.Sprint(1+r.IntN(3)), statuses[r.IntN(2)]
		switch r.IntN(12) {
		case 0:
			return stream.Event{Type: "customer_created", Key: key, Data: json.RawMessage(`{"id":` + key + `}`)}
		case 1:
			return stream.Event{Type: "other", Key: key, Data: json.RawMessage(`{"status":"open"}`)}
		case 2:
			return stream.Event{Type: "table_truncated", Data: json.RawMessage(`{"table":"public.orders"}`)}
		case 3:
			return stream.Event{Type: "order_updated"}.Lost(stream.Unreadable, "22P05")
		case 4:
			e := order("updated", key, status, "")
			e.Data, e.Incomplete = nil, stream.Oversized
			return e
		case 5:
			e := order("updated", "", status, "") // has no usable key
			e.Data = json.RawMessage(`{"id":null,"key":"7","status":"open"}`)
			return e
		}
		e := order([]string{"created", "deleted", "updated", "updated"}[r.IntN(4)], key, status, "")
		if e.Type == "order_updated" {
			e = order("updated", key, status, statuses[r.IntN(2)])
			e.AudienceWas = audiences[2+r.IntN(3)]
		}
		e.Audience = audiences[r.IntN(len(audiences))]
		return e
	}
	for range 80 {
		batch := make([]stream.Event, 1+r.IntN(6))
		for i := range batch {
			batch[i] = draw()
		}
		s.commitEvents(batch...)
		events += uint64(len(batch))
	}
	s.commitEvents(stream.Event{}.Lost(stream.AudienceTooLarge, ""))
	s.wakeFeed()
	return events + 1
}

// follow returns what a stream has for each of its selections.
func (s *streamServer) follow(query string, names ...string) map[string][]selected {
	s.Helper()
	l := s.open(query, "Test-User", "ann")
	defer l.disconnect()
	l.readUntil(`"audience_too_large"`)
	var lines []string
	for line := range strings.Lines(l.received.String()) {
		if envelope, ok := strings.CutPrefix(line, "data: "); ok && !strings.Contains(line, `"type":"sync"`) {
			lines = append(lines, envelope)
		}
	}
	return s.bySelection(lines, names)
}

// followPages returns what pages have for each selection.
func (s *streamServer) followPages(query string, max int, names ...string) map[string][]selected {
	s.Helper()
	var lines []string
	_, filter, _ := strings.Cut(query, "&")
	for {
		p := s.page(fmt.Sprintf("%s&max=%d", query, max), "Test-User", "ann")
		for _, e := range p.Events {
			lines = append(lines, string(e))
		}
		if !p.More {
			return s.bySelection(lines, names)
		}
		query = "?since=" + url.QueryEscape(p.Cursor) + "&" + filter
	}
}

func (s *streamServer) bySelection(envelopes, names []string) map[string][]selected {
	s.Helper()
	out := map[string][]selected{}
	for _, text := range envelopes {
		var e selected
		if err := json.Unmarshal([]byte(text), &e); err != nil {
			s.Fatalf("decode %s: %v", text, err)
		}
		if e.Q == nil {
			out[""] = append(out[""], e)
		}
		for _, name := range e.Q {
			if !slices.Contains(names, name) {
				s.Errorf("%s is for %q, which the stream does not have", text, name)
			}
			isOfEvents := strings.HasPrefix(selections[name], "events")
			out[name] = append(out[name], e.as(name, isOfEvents))
		}
	}
	return out
}

// A type within a selection is checked as one of a stream of its own.
func TestTypesOfSelections(t *testing.T) {
	s := newShop(t, stream.FeedOptions{}, api.EventTypes{
		Known:  func() []string { return []string{"order_created"} },
		Recent: func(context.Context) ([]string, error) { return nil, nil },
	})
	s.expectProblem(http.StatusBadRequest, `query parameter q.b has "order_craeted", of which there are no events: the types are order_created`,
		http.MethodGet, "/api/events?q.a=events;types=order_created&q.b=events;types=order_created,order_craeted")
	s.openSynced("?unknown=allow&q.b=events;types=order_craeted").disconnect()
	s.openSynced("?q.b=events;types=order_created").disconnect()
}
