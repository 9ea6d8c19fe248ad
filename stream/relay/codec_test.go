package relay_test

import (
	"bytes"
	"encoding/json"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/pgherald/pgherald/stream"
	"github.com/pgherald/pgherald/stream/relay"
)

var genTags = rapid.OneOf(rapid.Just([]string(nil)), rapid.SliceOfN(rapid.String(), 0, 4))

var genEvent = rapid.Custom(func(t *rapid.T) stream.Event {
	raw := rapid.OneOf(rapid.Just([]byte(nil)), rapid.SliceOfN(rapid.Byte(), 0, 40))
	return stream.Event{
		ID: rapid.Int64().Draw(t, "id"), Type: rapid.String().Draw(t, "type"), Key: rapid.String().Draw(t, "key"),
		Audience: genTags.Draw(t, "audience"), AudienceWas: genTags.Draw(t, "former audience"),
		Data: json.RawMessage(raw.Draw(t, "data")), Was: json.RawMessage(raw.Draw(t, "was")),
		At:         time.Unix(0, rapid.Int64().Draw(t, "at")),
		Incomplete: rapid.SampledFrom(append(stream.Incompletes(), "")).Draw(t, "incomplete"),
	}
})

func TestEntryRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		next := rapid.Uint64().Draw(t, "next")
		holes := rapid.SliceOfN(rapid.Uint64Range(0, max(next, 1)-1), 0, 3000).Draw(t, "holes")
		e := relay.Entry{
			Cursor: stream.NewCursor("k3f9", next, holes).WithLSN(rapid.Uint64().Draw(t, "lsn")),
			XID:    rapid.Uint64().Draw(t, "xid"), Part: rapid.Uint64Max(1<<40).Draw(t, "part"), More: rapid.Bool().Draw(t, "more"),
			LastID: rapid.Int64().Draw(t, "last"),
			Events: rapid.SliceOfN(genEvent, 0, 5).Draw(t, "events"),
			Totals: relay.Totals{Events: rapid.Uint64().Draw(t, "total"), Private: rapid.Uint64().Draw(t, "private"), Bytes: rapid.Uint64().Draw(t, "bytes")},
		}
		if len(e.Events) == 0 {
			e.Events = nil
		}
		d, err := relay.Decode(e.Encode())
		if err != nil {
			t.Fatal(err)
		}
		if !d.Cursor.Equal(e.Cursor) || d.Cursor.LSN() != e.Cursor.LSN() {
			t.Fatalf("the cursor %v became %v", e.Cursor, d.Cursor)
		}
		d.Cursor, e.Cursor = stream.Cursor{}, stream.Cursor{}
		if diff := cmp.Diff(e, d, cmp.AllowUnexported(relay.Entry{}, stream.Cursor{})); diff != "" {
			t.Fatal(diff)
		}
	})
}

// FuzzDecode checks that no bytes in the store crash a reader, or make it allocate more than they are.
func FuzzDecode(f *testing.F) {
	e := relay.Entry{Cursor: stream.NewCursor("k3f9", 700, []uint64{650, 699}), XID: 698, Events: []stream.Event{
		{ID: 1, Type: "a", Key: "b", Audience: []string{"x"}, Data: []byte(`{}`), Was: []byte(`{}`), AudienceWas: []string{}, Incomplete: stream.Oversized},
	}}
	f.Add(e.Encode())
	f.Add([]byte{})
	f.Add([]byte{1, 4, 'k', '3', 'f', '9', 255, 255, 255, 255, 255, 255, 255, 255, 255, 1, 0, 255, 255, 255, 127})
	f.Fuzz(func(t *testing.T, data []byte) {
		e, err := relay.Decode(data)
		if err != nil {
			return
		}
		if again, err := relay.Decode(e.Encode()); err != nil || !again.Cursor.Equal(e.Cursor) || len(again.Events) != len(e.Events) {
			t.Fatalf("%x became another entry: %v", data, err)
		}
		if len(data) > 0 && bytes.Equal(data[:1], []byte{0}) {
			t.Fatal("an unknown format was read")
		}
	})
}
