package streamstore_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"testing"
	"time"

	"github.com/pgherald/pgherald/db/redistest"
	"github.com/pgherald/pgherald/db/streamstore"
	"github.com/pgherald/pgherald/stream"
	"github.com/pgherald/pgherald/stream/relay"
	"github.com/pgherald/pgherald/stream/streamtest"
)

func open(t *testing.T, url string) *streamstore.Store {
	t.Helper()
	s, err := streamstore.Open(url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

func commit(log *streamtest.Log, events int) {
	tx := log.Begin()
	for range events {
		tx.Append(stream.Event{Type: "changed", Key: "k", Data: []byte(`{"a":1}`)})
	}
	tx.Commit()
}

// run runs a relay until the test ends, again after each error, as its command does.
func run(t *testing.T, log *streamtest.Log, url string, term uint64) {
	t.Helper()
	s := open(t, url)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for t.Context().Err() == nil {
			err := relay.Run(t.Context(), relay.Options{Log: log, Store: s, Writer: relay.Writer{Term: term, Owner: "test"}, Interval: time.Millisecond})
			if errors.Is(err, relay.ErrStale) {
				return
			}
		}
	}()
	t.Cleanup(func() { <-ended })
}

// readAll reads behind the cursor until the stream has as many transactions as the log has committed. It returns them in order.
func readAll(t *testing.T, edge *relay.Log, from stream.Cursor, want int) (got []stream.Transaction) {
	t.Helper()
	for deadline := time.Now().Add(2 * time.Minute); len(got) < want; {
		if time.Now().After(deadline) {
			t.Fatalf("%d of %d transactions", len(got), want)
		}
		r, err := edge.Read(t.Context(), from)
		for err == nil {
			var next stream.Transaction
			if next, err = r.Next(t.Context(), stream.Interest{Everything: true}); err == nil {
				if n := len(got); n > 0 && got[n-1].More {
					got[n-1].Events, got[n-1].More = append(got[n-1].Events, next.Events...), next.More
				} else {
					got = append(got, next)
				}
				if !next.More {
					from = next.Cursor
				}
			}
		}
		if !errors.Is(err, io.EOF) || len(got) < want {
			_ = edge.Wait(t.Context()) // while the server is away, it has an error
		}
	}
	return got
}

// verify compares transactions with those of the log.
func verify(t *testing.T, log *streamtest.Log, got []stream.Transaction) {
	t.Helper()
	all := log.Committed()
	if len(got) != len(all) {
		t.Fatalf("%d transactions, the log has %d", len(got), len(all))
	}
	for i, tx := range all {
		if got[i].XID != tx.XID || fmt.Sprint(got[i].Events) != fmt.Sprint(tx.Events) {
			t.Fatalf("transaction %d is %+v, not %+v", i, got[i], tx.Events)
		}
	}
}

// TestServerLosesData runs a relay on a server that is killed, and comes back as before, empty, or with an old dump. A reader notices nothing.
func TestServerLosesData(t *testing.T) {
	server := redistest.Start(t)
	log := streamtest.NewLog("e")
	log.PartSize = 3
	beginning, err := log.Tail(t.Context(), 0, 0)
	if err != nil {
		t.Fatal(err)
	}
	run(t, log, server.URL(), 1)
	edge := relay.NewLog(open(t, server.URL()), relay.LogOptions{})
	cursor, got := beginning, []stream.Transaction(nil)
	read := func() {
		t.Helper()
		for range 20 {
			commit(log, 1)
		}
		commit(log, 10)
		got = append(got, readAll(t, edge, cursor, len(log.Committed())-len(got))...)
		cursor = got[len(got)-1].Cursor
	}
	read()
	server.Save()
	old := server.Dump()
	read()
	server.Kill() // loses what was written since
	server.Restart()
	read()
	server.Save()
	server.Kill()
	server.Wipe()
	server.Restart()
	read()
	server.Kill()
	server.Restore(old)
	server.Restart()
	read()
	verify(t, log, got)
	verify(t, log, readAll(t, relay.NewLog(open(t, server.URL()), relay.LogOptions{}), beginning, len(got)))
}

// TestRefusals checks what a write refuses, and that it then changes nothing.
func TestRefusals(t *testing.T) {
	server := redistest.Start(t)
	s := open(t, server.URL()+"?key=other")
	a, b := relay.Writer{Term: 3, Owner: "a"}, relay.Writer{Term: 4, Owner: "b"}
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	_, err := s.Claim(t.Context(), a, "fork")
	must(err)
	info := &relay.Info{Incarnation: "i", Changes: []relay.Change{{At: 1, Epoch: "e"}}, Lineage: stream.Lineage{
		{ID: "1", Epoch: "e", Survived: 7, Confirmed: []stream.Cursor{stream.NewCursor("d", 9, []uint64{3})}, Age: time.Second},
	}}
	must(s.Begin(t.Context(), a, relay.Appended{Token: "1", Entries: [][]byte{[]byte("one")}, Whole: 1, Info: info, Mark: &relay.Mark{Next: 5}}))
	if st, err := s.State(t.Context()); err != nil || st.MarkAge < 24*time.Hour {
		t.Errorf("nothing was copied, and the mark is %v old, %v", st.MarkAge, err)
	}
	end := relay.Last{Number: 1, Token: "1"}
	for _, refused := range []struct {
		w    relay.Writer
		last relay.Last
		want error
	}{
		{relay.Writer{Term: 2, Owner: "a"}, end, relay.ErrStale}, {relay.Writer{Term: 3, Owner: "x"}, end, relay.ErrStale},
		{a, relay.Last{Number: 0, Token: "1"}, relay.ErrMoved}, {a, relay.Last{Number: 1, Token: "2"}, relay.ErrMoved},
	} {
		err := s.Append(t.Context(), refused.w, refused.last, relay.Appended{Token: "9", Entries: [][]byte{[]byte("x")}, Whole: 2})
		if !errors.Is(err, refused.want) {
			t.Errorf("%+v behind %+v: %v", refused.w, refused.last, err)
		}
	}
	must(s.Append(t.Context(), a, end, relay.Appended{Token: "2", Entries: [][]byte{[]byte("two"), []byte("three")}, Whole: 3, Mark: &relay.Mark{Next: 5}}))
	must(s.Publish(t.Context(), a, []byte("{}")))
	st, err := s.Claim(t.Context(), b, "fork b")
	must(err)
	if st.Writer != b || st.Last != (relay.Last{Number: 3, Token: "2"}) || st.Whole != 3 || st.Fork != "fork b" || st.Mark.Next != 5 ||
		st.MarkAge < 0 || st.MarkAge > time.Hour || st.Incarnation != "i" || len(st.Changes) != 1 || !st.Lineage[0].Confirmed[0].Equal(info.Lineage[0].Confirmed[0]) {
		t.Errorf("state %+v", st)
	}
	for name, err := range map[string]error{
		"Append": s.Append(t.Context(), a, st.Last, relay.Appended{}), "Begin": s.Begin(t.Context(), a, relay.Appended{}),
		"Trim": s.Trim(t.Context(), a, 3), "Publish": s.Publish(t.Context(), a, nil),
	} {
		if !errors.Is(err, relay.ErrStale) {
			t.Errorf("%s of an earlier term: %v", name, err)
		}
	}
	for _, test := range []struct {
		from  uint64
		most  int
		bytes int64
		want  string
	}{{1, 10, 100, "one two three "}, {2, 10, 100, "two three "}, {1, 2, 100, "one two "}, {1, 10, 4, "one two "}, {4, 10, 100, ""}} {
		page, err := s.Range(t.Context(), test.from, test.most, test.bytes)
		text := ""
		for _, e := range page.Entries {
			text += string(e.Data) + " "
		}
		if text != test.want || err != nil || page.Fork != "fork b" {
			t.Errorf("%d entries or %d bytes from %d: %q, %v", test.most, test.bytes, test.from, text, err)
		}
	}
	looked, page, err := s.Look(t.Context(), 2, 10, 100)
	if looked.InfoAge, looked.MarkAge = st.InfoAge, st.MarkAge; err != nil || fmt.Sprint(looked) != fmt.Sprint(st) || len(page.Entries) != 2 || page.Fork != "fork b" {
		t.Errorf("look: %+v, %+v, %v", looked, page, err)
	}
	if text, version, err := s.Document(t.Context()); string(text) != "{}" || version != 1 || err != nil {
		t.Errorf("document %q of version %d, %v", text, version, err)
	}
}

// TestTrim checks that entries are removed, and that Wait returns.
func TestTrim(t *testing.T) {
	s := open(t, redistest.Start(t).URL())
	w := relay.Writer{Term: 1, Owner: "a"}
	var entries [][]byte
	for range 1000 {
		entries = append(entries, make([]byte, 100))
	}
	if err := s.Begin(t.Context(), w, relay.Appended{Token: "1", Entries: entries, Whole: 1000}); err != nil {
		t.Fatal(err)
	}
	if err := s.Trim(t.Context(), w, 900); err != nil {
		t.Fatal(err)
	}
	page, err := s.Range(t.Context(), 1, 1, 1)
	if err != nil || page.Entries[0].Number < 700 || page.Entries[0].Number > 900 {
		t.Errorf("the first entry is %+v, %v", page.Entries, err)
	}
	for _, after := range []uint64{0, 1000} { // with an entry, and without
		if err := s.Wait(t.Context(), after); err != nil {
			t.Error(err)
		}
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if err := s.Wait(ended, 1000); err == nil {
		t.Error("Wait ignores the end of its context")
	}
}

// TestGarbage checks that a key which holds something else is an error, and not a crash.
func TestGarbage(t *testing.T) {
	server := redistest.Start(t)
	s := open(t, server.URL())
	client := server.Client()
	for name, do := range map[string]func() error{
		"a text":          func() error { return client.Set(t.Context(), s.Key("log"), "x", 0).Err() },
		"no state":        func() error { return client.HSet(t.Context(), s.Key("state"), "last", "x").Err() },
		"a state of JSON": func() error { return client.HSet(t.Context(), s.Key("state"), "info", `{"changes":7}`).Err() },
		"a wrong change": func() error {
			return client.HSet(t.Context(), s.Key("state"), "info", `{"changes":[{"at":1,"kept":9}]}`).Err()
		},
		"a wrong document": func() error { return client.HSet(t.Context(), s.Key("state"), "document_version", "x").Err() },
	} {
		if err := client.FlushAll(t.Context()).Err(); err != nil {
			t.Fatal(err)
		}
		if err := do(); err != nil {
			t.Fatal(err)
		}
		_, rangeErr := s.Range(t.Context(), 1, 1, 1)
		_, stateErr := s.State(t.Context())
		_, _, documentErr := s.Document(t.Context())
		if rangeErr == nil && stateErr == nil && documentErr == nil {
			t.Errorf("%s is no error", name)
		}
	}
}
