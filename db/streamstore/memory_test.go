package streamstore_test

import (
	"strings"
	"testing"

	"github.com/pgherald/pgherald/db/redistest"
	"github.com/pgherald/pgherald/stream/relay"
)

// TestWithoutMemory checks that a server which has no memory left takes no entries, and that a relay can still remove some.
func TestWithoutMemory(t *testing.T) {
	server := redistest.Start(t)
	s, client := open(t, server.URL()), server.Client()
	old, w := relay.Writer{Term: 1, Owner: "a"}, relay.Writer{Term: 2, Owner: "b"}
	var entries [][]byte
	for range 1000 {
		entries = append(entries, make([]byte, 100))
	}
	if err := s.Begin(t.Context(), old, relay.Appended{Token: "1", Entries: entries, Whole: 1000}); err != nil {
		t.Fatal(err)
	}
	if err := client.ConfigSet(t.Context(), "maxmemory", "1kb").Err(); err != nil {
		t.Fatal(err)
	}
	st, err := s.Claim(t.Context(), w, "fork")
	if err != nil || st.Writer != w || st.Fork != "fork" {
		t.Fatalf("claimed %+v, %v", st, err)
	}
	err = s.Append(t.Context(), w, st.Last, relay.Appended{Token: "2", Entries: entries[:1], Whole: 1001})
	if err == nil || !strings.Contains(err.Error(), "--max-bytes") {
		t.Errorf("append: %v", err)
	}
	if err := s.Trim(t.Context(), w, 900); err != nil {
		t.Fatal(err)
	}
	if page, err := s.Range(t.Context(), 1, 1, 1); err != nil || page.Entries[0].Number < 700 {
		t.Errorf("the first entry is %+v, %v", page.Entries, err)
	}
	if err := s.Begin(t.Context(), w, relay.Appended{Token: "3", Entries: entries[:1], Whole: 1}); err != nil {
		t.Errorf("begin: %v", err)
	}
}
