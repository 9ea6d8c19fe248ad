package server

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pgherald/pgherald/stream/collection"
)

func TestParseDocument(t *testing.T) {
	text := func(change func(*document)) string {
		d := orders(collection.Field{Name: "region", Filter: collection.Text})
		d.Recent = []string{"shipped"}
		change(&d)
		text, err := json.Marshal(d)
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	}
	for name, c := range map[string]struct{ text, want string }{
		"whole":           {text(func(*document) {}), ""},
		"no collections":  {`{"format":1}`, ""},
		"unknown members": {`{"format":1,"later":{"a":[1]}}`, ""},
		"nothing":         {"", "no relay has written it yet"},
		"null":            {"null", "the store holds something else"},
		"other JSON":      {"[]", "the store holds something else"},
		"no JSON":         {"\xff", "the store holds something else"},
		"cut off":         {`{"format":1`, "the store holds something else"},
		"no format":       {`{"types":["a"]}`, "the store holds something else"},
		"newer format":    {`{"format":2}`, "the relay writes format 2, and this server knows 1"},
		"without a name":  {text(func(d *document) { d.Collections[0].Name = "" }), "the store holds something else"},
		"without a key":   {text(func(d *document) { d.Collections[0].Key = nil }), "the store holds something else"},
		"unknown filter":  {text(func(d *document) { d.Collections[0].Fields[0].Filter = "later" }), "the store holds something else"},
	} {
		now, recent, err := parseDocument([]byte(c.text))
		switch {
		case c.want != "":
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("%s: the error is %v, want %q", name, err, c.want)
			}
		case err != nil:
			t.Errorf("%s: %v", name, err)
		case name == "whole" && (!now.has("orders") || !slices.Equal(recent, []string{"shipped"})):
			t.Errorf("%s: parsed as %+v, %v", name, now, recent)
		}
	}
}

// An edge keeps what it has while the document cannot be understood.
func TestEdgeKeepsWhatItHas(t *testing.T) {
	m := newMemoryStore()
	d := orders()
	m.publish(t, d)
	e := openEdgeAlone(t, m)
	for _, bad := range []string{"", "null", "[]", `{"format":0}`, `{"format":2}`, `{"format":1,"collections":[{"Name":""}]}`, "\xff"} {
		m.put([]byte(bad))
		if err := e.refresh(t.Context(), time.Now()); !errors.Is(err, errNotLooked) {
			t.Errorf("the document %q: %v", bad, err)
		}
		if all := e.collections.All(); len(all) != 1 || !e.served.Load().has("orders") {
			t.Errorf("after the document %q the collections are %+v", bad, all)
		}
	}
	d.Recent = []string{"shipped"}
	m.publish(t, d)
	if err := e.refresh(t.Context(), time.Now()); err != nil {
		t.Error(err)
	}
	if types, err := e.recentTypes(t.Context()); err != nil || !slices.Contains(types, "shipped") {
		t.Errorf("the recent types are %v (%v)", types, err)
	}
}

// openEdgeAlone opens an edge that reads the document only when the test makes it.
func openEdgeAlone(t *testing.T, m *memoryStore) *edge {
	t.Helper()
	config := DefaultConfig()
	config.Source, config.Listen.Addr = "redis://memory", "127.0.0.1:0"
	s, err := New(t.Context(), config, Options{Logger: slog.New(slog.DiscardHandler), Level: new(slog.LevelVar), OpenStore: m.open})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.listener.Close() })
	e, err := s.openEdge(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(e.close)
	return e
}

// A store that does not answer is logged, and holds up clients no longer than settleTimeout.
func TestEdgeOnAStoreThatHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		hang := func(ctx context.Context) ([]byte, uint64, error) {
			<-ctx.Done()
			return nil, 0, ctx.Err()
		}
		e := newEdge(&base{logger: slog.New(slog.NewTextHandler(&log, nil))})
		e.store = &Store{Document: hang}
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan struct{})
		go func() { defer close(ended); e.follow(ctx) }()
		time.Sleep(documentInterval + time.Millisecond) // of the bubble's time: follow reads
		began := time.Now()
		if _, err := e.recentTypes(ctx); err != nil || time.Since(began) != 0 {
			t.Errorf("the recent types took %v (%v)", time.Since(began), err)
		}
		if err := e.settle(ctx); !errors.Is(err, errNotLooked) || time.Since(began) != settleTimeout {
			t.Errorf("settle took %v (%v)", time.Since(began), err)
		}
		time.Sleep(documentTimeout)
		cancel()
		<-ended
		if n := strings.Count(log.String(), "collections do not follow the spec"); n != 1 {
			t.Errorf("logged %d times, want once:\n%s", n, log.String())
		}
	})
}
