package stream

import (
	"math/rand/v2"
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
		far := rapid.Uint64Range(1, max(1, next)).Draw(t, "far")
		var open []uint64
		for range rapid.IntRange(0, 2200).Draw(t, "holes") {
			if next > 0 {
				open = append(open, next-rapid.Uint64Range(1, far).Draw(t, "gap"))
			}
		}
		c := NewCursor("k3f9", next, open).WithLSN(rapid.Uint64().Draw(t, "lsn"))
		text := c.String()
		if len(text) > MaxCursorLen {
			t.Fatalf("text of %d bytes", len(text))
		}
		d, err := ParseCursor(text)
		if err != nil {
			t.Fatal(err)
		}
		isLong := !c.fits()
		if !isLong && !d.Equal(c) || d.LSN() != c.LSN() || d.IsCut() != isLong {
			t.Fatalf("%q parses as another cursor", text)
		}
		if !c.Covers(d) {
			t.Fatalf("%q contains more than the cursor", text)
		}
		if gapsLen(c.next, c.holes) != len(appendGaps(nil, c.next, c.holes)) {
			t.Fatalf("%q is not as long as expected", text)
		}
		if isLong && len(text) < MaxCursorLen-40 && len(d.holes) != MaxCursorHoles {
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
		{NewCursor("k3f9", 77777, nil).WithLSN(0x1517428), "k3f9-1o0h~d60bs"},
		{NewCursor("k3f9", 100, []uint64{97, 96, 92}).WithLSN(5), "k3f9-2s~5-BSU"},
		{NewCursor("k3f9", 100, []uint64{97, 96, 92}), "k3f9-2s~0-BSU"},
		{NewCursor("k3f9", 1<<64-1, []uint64{0, 1<<64 - 3}), "k3f9-3w5e11264sgsf~0-AQAAAAAAAAAA__________0"},
	} {
		got := test.cursor.String()
		if got != test.want {
			t.Errorf("got %q, want %q", got, test.want)
		}
		if c, err := ParseCursor(got); err != nil || !c.Equal(test.cursor) || c.LSN() != test.cursor.LSN() {
			t.Errorf("%q parses as %v, %v", got, c, err)
		}
	}
}

// TestParseOldCursor parses cursors that earlier versions sent.
func TestParseOldCursor(t *testing.T) {
	for text, want := range map[string]Cursor{
		"k3f9-1o0h":     NewCursor("k3f9", 77777, nil),
		"k3f9-2s-3.1.4": NewCursor("k3f9", 100, []uint64{97, 96, 92}),
		"k3f9-2s-2s":    NewCursor("k3f9", 100, []uint64{0}),
	} {
		if c, err := ParseCursor(text); err != nil || !c.Equal(want) || c.LSN() != 0 {
			t.Errorf("%q parses as %v, %v", text, c, err)
		}
	}
}

// TestCursorLength shows how many open transactions a cursor can name: the bound in docs/protocol.md.
func TestCursorLength(t *testing.T) {
	for _, test := range []struct {
		gap   uint64 // the distances are between 1 and twice this
		holes int
	}{
		{1, 2000}, {10, 2000}, {100, 1300}, {1000, 950}, {10_000, 750}, {1_000_000, 520},
	} {
		rng := rand.New(rand.NewPCG(1, test.gap))
		next := uint64(1) << 40
		var open []uint64
		for x := next; len(open) < test.holes; open = append(open, x) {
			x -= 1 + rng.Uint64N(2*test.gap-1)
		}
		c := NewCursor("k3f9xqk3f9xqk", next, open).WithLSN(1 << 50)
		text := c.text()
		t.Logf("%d open transactions, %d apart: %d bytes", test.holes, test.gap, len(text))
		if !c.fits() || len(text) > MaxCursorLen {
			t.Errorf("%d open transactions, %d apart: %d bytes", test.holes, test.gap, len(text))
		}
	}
}

func TestParseCursorRejects(t *testing.T) {
	for _, text := range []string{
		"", "-", "k3f9", "k3f9-", "k3f9-1-", "k3f9-1-0", "k3f9-1-2", "k3f9-5-1.9", "k3f9-01", "k3f9-A",
		"K3F9-1", "k3f9--1", "k3f9-1-1-1", "k3f9-zzzzzzzzzzzzzzz", "k3f9-+1", "k3f9-1 ", " k3f9-1", "k3f9-5-1..1",
		"k3f9-1\n", "abcdefghijklmnopq-1", "1841", strings.Repeat("k", 100_000),
		"k3f9-zzzz-" + strings.Repeat("1.", 2000) + "1", "k3f9-2s~", "k3f9-2s~~", "k3f9-2s~5-", "k3f9-2s~5-A", "k3f9-2s~5-AA", "k3f9-2s~05",
		"k3f9-2s~5-BSU=", "k3f9-2s~5-BSV", "k3f9-2s~5-BSUA", "k3f9-2s~5-DwA", "k3f9-2s~5-____", "k3f9-2s~5-BSU-1", "k3f9-2s-3~5", "k3f9-1~0",
		"k3f9-2s~5-" + strings.Repeat("A", 2000), "k3f9-2s~5-A" + strings.Repeat("_", 2000), "k3f9~5-2s",
	} {
		if c, err := ParseCursor(text); err == nil {
			t.Errorf("%.40q parses as %v", text, c)
		}
	}
}

func FuzzParseCursor(f *testing.F) {
	for _, seed := range []string{
		"k3f9-1z8q", "k3f9-1z8q-3.1.4", "k3f9-0", "-", "k3f9-3w5e11264sgsf-1", "k3f9-2s~5-BSU", "k3f9-2s~5-BSU~",
		"k3f9-3w5e11264sgsf~0-AQAAAAAAAAAA__________0",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		c, err := ParseCursor(text)
		if err != nil {
			return
		}
		if again, err := ParseCursor(c.String()); err != nil || !again.Equal(c) || again.LSN() != c.LSN() || again.IsCut() != c.IsCut() {
			t.Fatalf("%q parses as %q", text, c.String())
		}
		if isOld := strings.Count(text, "-") == 2 && !strings.Contains(text, "~"); !isOld && c.String() != text {
			t.Fatalf("%q parses as %q", text, c.String())
		}
		if !slices.IsSorted(c.holes) || len(c.holes) > 0 && c.holes[len(c.holes)-1] >= c.next {
			t.Fatalf("%q has holes %v below %d", text, c.holes, c.next)
		}
	})
}

func TestCursorSnapshot(t *testing.T) {
	many := make([]uint64, MaxCursorHoles+5)
	for i := range many {
		many[i] = uint64(2 * i)
	}
	for _, test := range []struct {
		c    Cursor
		want string
	}{
		{NewCursor("k3f9", 100, nil), "100:100:"},
		{NewCursor("k3f9", 105, []uint64{103, 100}), "100:105:100,103"},
	} {
		if got := test.c.Snapshot(); got != test.want {
			t.Errorf("%v is %s, want %s", test.c, got, test.want)
		}
	}
	c := NewCursor("k3f9", 9000, many)
	_, holes, _ := strings.Cut(strings.TrimPrefix(c.Snapshot(), "0:4000:"), "0,2,")
	if n := strings.Count(holes, ","); n != MaxCursorHoles-3 {
		t.Errorf("%d holes after the first two: %.40s", n+1, c.Snapshot())
	}
}
