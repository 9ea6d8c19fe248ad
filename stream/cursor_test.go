package stream

import (
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// modelLimit bounds the transaction ids of the model, a plain set.
const modelLimit = 60

func seenSet(c Cursor) map[uint64]bool {
	set := make(map[uint64]bool)
	for x := range uint64(modelLimit + 10) {
		if c.Seen(x) {
			set[x] = true
		}
	}
	return set
}

var genCursor = rapid.Custom(func(t *rapid.T) Cursor {
	next := rapid.Uint64Range(0, modelLimit).Draw(t, "next")
	open := rapid.SliceOfN(rapid.Uint64Range(0, modelLimit+5), 0, 20).Draw(t, "open")
	return NewCursor("e1", next, open)
})

func TestCursorIsASet(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c, d := genCursor.Draw(t, "c"), genCursor.Draw(t, "d")
		a, b := seenSet(c), seenSet(d)
		covers := true
		for x := range b {
			covers = covers && a[x]
		}
		if c.Covers(d) != covers {
			t.Fatalf("%v covers %v: got %v, the sets say %v", c, d, c.Covers(d), covers)
		}
		u := seenSet(c.Union(d))
		for x := range uint64(modelLimit + 10) {
			if u[x] != (a[x] || b[x]) {
				t.Fatalf("union of %v and %v: wrong about %d", c, d, x)
			}
		}
	})
}

func TestCursorDeliver(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c := genCursor.Draw(t, "c")
		open := rapid.SliceOfN(rapid.Uint64Range(0, modelLimit), 0, 20).Draw(t, "open")
		xid := rapid.Uint64Range(0, modelLimit).Draw(t, "xid")
		after := c.Deliver(xid, open)
		if !after.Seen(xid) || !after.Covers(c) {
			t.Fatalf("%v delivers %d: %v does not contain it, or not all of before", c, xid, after)
		}
		for _, x := range open {
			if x != xid && !c.Seen(x) && after.Seen(x) {
				t.Fatalf("%v delivers %d with %v open: %v contains %d", c, xid, open, after, x)
			}
		}
		for x := range after.Next() {
			if !after.Seen(x) && !slices.Contains(open, x) {
				t.Fatalf("%v delivers %d with %v open: %v has a hole at %d", c, xid, open, after, x)
			}
		}
		if after.Next() > max(c.Next(), xid+1) {
			t.Fatalf("%v delivers %d: next of %v is too high", c, xid, after)
		}
	})
}

func TestCloseHolesKeepsOpenTransactions(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c := genCursor.Draw(t, "c")
		open := rapid.SliceOfN(rapid.Uint64Range(0, modelLimit), 0, 20).Draw(t, "open")
		s := c.CloseHoles(open)
		for x := range uint64(modelLimit + 10) {
			want := c.Seen(x) || x < c.Next() && !slices.Contains(open, x)
			if s.Seen(x) != want {
				t.Fatalf("CloseHoles of %v with %v open: wrong about %d", c, open, x)
			}
		}
	})
}

func TestCursorTextRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		next := rapid.Uint64().Draw(t, "next")
		var open []uint64
		for range rapid.IntRange(0, 300).Draw(t, "holes") {
			if next > 0 {
				open = append(open, rapid.Uint64Range(0, next-1).Draw(t, "hole"))
			}
		}
		c := NewCursor("k3f9", next, open)
		text := c.String()
		if len(text) > MaxCursorLen {
			t.Fatalf("text of %d bytes", len(text))
		}
		d, err := ParseCursor(text)
		if err != nil {
			t.Fatal(err)
		}
		if len(c.text()) <= MaxCursorLen && !d.Equal(c) {
			t.Fatalf("%q parses as another cursor", text)
		}
		if !c.Covers(d) {
			t.Fatalf("%q contains more than the cursor", text)
		}
		if len(c.text()) > MaxCursorLen && len(text) < MaxCursorLen-20 {
			t.Fatalf("text of %d holes has %d bytes, which leaves out too many", len(c.holes), len(text))
		}
	})
}

func TestCursorText(t *testing.T) {
	for _, test := range []struct {
		cursor Cursor
		want   string
	}{
		{NewCursor("k3f9", 0, nil), "k3f9-0"},
		{NewCursor("k3f9", 77777, nil), "k3f9-1o0h"},
		{NewCursor("k3f9", 100, []uint64{97, 96, 92}), "k3f9-2s-3.1.4"},
		{NewCursor("k3f9", 100, []uint64{0}), "k3f9-2s-2s"},
	} {
		if got := test.cursor.String(); got != test.want {
			t.Errorf("got %q, want %q", got, test.want)
		}
	}
}

func TestParseCursorRejects(t *testing.T) {
	for _, text := range []string{
		"", "-", "k3f9", "k3f9-", "k3f9-1-", "k3f9-1-0", "k3f9-1-2", "k3f9-5-1.9", "k3f9-01", "k3f9-A",
		"K3F9-1", "k3f9--1", "k3f9-1-1-1", "k3f9-zzzzzzzzzzzzzzz", "k3f9-+1", "k3f9-1 ", " k3f9-1", "k3f9-5-1..1",
		"k3f9-1\n", "abcdefghijklmnopq-1", "1841", strings.Repeat("k", 100_000),
		"k3f9-zzzz-" + strings.Repeat("1.", 300) + "1",
	} {
		if c, err := ParseCursor(text); err == nil {
			t.Errorf("%.40q parses as %v", text, c)
		}
	}
}

func FuzzParseCursor(f *testing.F) {
	for _, seed := range []string{"k3f9-1z8q", "k3f9-1z8q-3.1.4", "k3f9-0", "-", "k3f9-3w5e11264sgsf-1"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		c, err := ParseCursor(text)
		if err != nil {
			return
		}
		if c.String() != text {
			t.Fatalf("%q parses as %q", text, c.String())
		}
		if !slices.IsSorted(c.holes) || len(c.holes) > 0 && c.holes[len(c.holes)-1] >= c.next {
			t.Fatalf("%q has holes %v below %d", text, c.holes, c.next)
		}
	})
}
