package eventlog_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/pgherald/pgherald/db/pgtest"
	"github.com/pgherald/pgherald/stream"
)

// maxSQLNumber is the highest number in a cursor of pgherald's SQL functions.
const maxSQLNumber = 1<<61 - 1

// randomCursor returns a cursor with few or many holes, next to each other or far apart.
func randomCursor(r *rand.Rand) stream.Cursor {
	next := r.Uint64N(1 << (1 + r.IntN(61)))
	var open []uint64
	for range []int{0, 0, 1, 3, 40, 500, 3000}[r.IntN(7)] {
		distance := r.Uint64N(1<<r.IntN(61)) + 1
		if distance <= next {
			open = append(open, next-distance)
		}
	}
	if r.IntN(4) == 0 && next > 100 {
		for i := range uint64(100) { // neighbours
			open = append(open, next-1-i)
		}
	}
	return stream.NewCursor(fmt.Sprintf("e%d", r.IntN(1000)), next, open).WithLSN([]uint64{0, r.Uint64N(1 << 61)}[r.IntN(2)])
}

// sqlSpelling returns the text that the SQL functions give to a cursor.
func sqlSpelling(t *testing.T, conn *pgx.Conn, c stream.Cursor) string {
	t.Helper()
	return queryText(t, conn, `select pgherald.cursor_text($1, $2, $3, $4)`, c.Epoch(), int64(c.Next()), signed(c.Holes()), int64(c.LSN()))
}

func signed(xids []uint64) []int64 {
	out := make([]int64, len(xids))
	for i, x := range xids {
		out[i] = int64(x)
	}
	return out
}

func queryText(t *testing.T, conn *pgx.Conn, sql string, args ...any) string {
	t.Helper()
	var text *string
	if err := conn.QueryRow(t.Context(), sql, args...).Scan(&text); err != nil {
		t.Fatalf("%s %v: %v", sql, args, err)
	}
	if text == nil {
		return "null"
	}
	return *text
}

// TestSQLSpellsCursors compares the SQL functions with the text of package stream, cut or not.
func TestSQLSpellsCursors(t *testing.T) {
	conn := pgtest.Connect(t, pgtest.NewDatabase(t))
	r, cut := rand.New(rand.NewPCG(1, 2)), 0
	for range 120 {
		c := randomCursor(r)
		want := c.String()
		if strings.HasSuffix(want, "~") {
			cut++
		}
		if got := sqlSpelling(t, conn, c); got != want {
			t.Fatalf("%d holes below %d: got %s, want %s", len(c.Holes()), c.Next(), got, want)
		}
	}
	if cut < 1 {
		t.Errorf("only %d cursors were cut", cut)
	}
}

const parseSQL = `select p.epoch || ' ' || p.next || ' ' || p.lsn || ' ' || p.holes::text from pgherald.parse_cursor($1) as p`

// goParse returns what parseSQL should.
func goParse(text string) string {
	c, err := stream.ParseCursor(text)
	if err != nil || c.Next() > maxSQLNumber || c.LSN() > maxSQLNumber {
		return "null"
	}
	holes := strings.Trim(fmt.Sprint(c.Holes()), "[]")
	return fmt.Sprintf("%s %d %d {%s}", c.Epoch(), c.Next(), c.LSN(), strings.ReplaceAll(holes, " ", ","))
}

// oldForm spells a cursor as earlier versions did.
func oldForm(c stream.Cursor) string {
	text := stream.NewCursor(c.Epoch(), c.Next(), nil).String()
	sep, last := "-", c.Next()
	for _, hole := range slices.Backward(c.Holes()) {
		n := stream.NewCursor("e", last-hole, nil).String()
		text, sep, last = text+sep+n[2:], ".", hole
	}
	return text
}

// mutate changes a text at random.
func mutate(r *rand.Rand, text string) string {
	const bytes = "0123456789abcxyzABCXYZ-_~.+/=\n "
	b := []byte(text)
	for range 1 + r.IntN(2) {
		i := r.IntN(len(b) + 1)
		switch {
		case r.IntN(3) == 0:
			b = slices.Insert(b, i, bytes[r.IntN(len(bytes))])
		case i == len(b):
		case r.IntN(2) == 0:
			b = slices.Delete(b, i, i+1)
		default:
			b[i] = bytes[r.IntN(len(bytes))]
		}
	}
	return string(b)
}

// TestSQLParsesCursors compares the parser in SQL with that of package stream: cursors of every form, and texts that are
// nearly cursors.
func TestSQLParsesCursors(t *testing.T) {
	conn := pgtest.Connect(t, pgtest.NewDatabase(t))
	r, accepted := rand.New(rand.NewPCG(3, 4)), 0
	check := func(text string) {
		t.Helper()
		want := goParse(text)
		if got := queryText(t, conn, parseSQL, text); got != want {
			t.Fatalf("%q: got %s, want %s", text, got, want)
		}
		if want != "null" {
			accepted++
		}
	}
	for _, text := range []string{
		"", "-", "a", "a-", "a-0", "a-0~0", "a-1~", "a-1~~", "a-1~0~", "a-1~0-~", "a-1~0-A", "a-1~0-AA", "a-1~0-AAA", "A-1", "é-1", "a-1-",
		"a-1-1", "a-1-1.", "a-1-.1", "a-1-0", "a-9-1.1.1", "a-9-9.1", "a-9-99999999999999999", "a-1-1-1", "a-zzzzzzzzzzzzz", "a-3w5e11264sgsf",
		"a-01", strings.Repeat("a", 17) + "-1", "a-1" + strings.Repeat("0", 3000), "a-1~0-" + strings.Repeat("A", 2000), "a-9~0-____________",
	} {
		check(text)
	}
	for range 80 {
		c := randomCursor(r)
		for _, text := range []string{c.String(), oldForm(c)} {
			check(text)
			for range 8 {
				check(mutate(r, text))
			}
		}
	}
	if accepted < 200 {
		t.Errorf("only %d texts were cursors", accepted)
	}
}
