package collection_test

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"net/url"
	"strings"
	"testing"

	"github.com/pgherald/pgherald/db/pgtest"
	"github.com/pgherald/pgherald/stream/collection"
)

// A value that a client writes is the one that PostgreSQL reads from the same text: random ones of every kind, in all
// forms that filters accept.
func TestSpellingsAsPostgresReadsThem(t *testing.T) {
	conn := pgtest.Connect(t, pgtest.NewDatabase(t))
	pgtest.Exec(t, conn, "set timezone = 'UTC'; set datestyle = 'ISO'")
	rng := rand.New(rand.NewPCG(16, 16))
	for kind, draw := range map[collection.Kind]func(*rand.Rand) string{
		collection.Integer:     func(r *rand.Rand) string { return fmt.Sprint(int64(r.Uint64()) >> r.IntN(64)) },
		collection.Numeric:     randomNumeric,
		collection.UUID:        randomUUID,
		collection.Date:        randomDate,
		collection.Timestamp:   func(r *rand.Rand) string { return randomTimestamp(r, "") },
		collection.Timestamptz: func(r *rand.Rand) string { return randomTimestamp(r, randomOffset(r)) },
	} {
		sqlType := map[collection.Kind]string{collection.Integer: "bigint"}[kind]
		if sqlType == "" {
			sqlType = string(kind)
		}
		var texts []string
		for range 2000 {
			texts = append(texts, draw(rng))
		}
		var rows []string
		sql := "select array_agg(to_json(s)::text order by s.n) from (select t::" + sqlType + " as f, n from unnest($1::text[]) with ordinality as u (t, n)) s"
		if err := conn.QueryRow(context.Background(), sql, texts).Scan(&rows); err != nil {
			t.Fatalf("%s: %v", kind, err)
		}
		c := &collection.Collection{Name: "c", Fields: []collection.Field{{Name: "f", Column: "f", Filter: kind}}}
		for i, text := range texts {
			w, err := collection.Parse(c, url.Values{"where.f": {"eq." + text}})
			if err != nil {
				t.Fatalf("%s %s: %v", kind, text, err)
			}
			if !w.Match(c.ParseRow([]byte(rows[i]), math.MaxUint64)) {
				t.Errorf("%s: %s differs from PostgreSQL's %s: %s", kind, text, rows[i], w.Canonical())
			}
		}
	}
}

func randomNumeric(r *rand.Rand) string {
	digits := func(most int) string {
		var b strings.Builder
		for range 1 + r.IntN(most) {
			b.WriteByte("0001234567899"[r.IntN(13)])
		}
		return b.String()
	}
	text := []string{"", "-"}[r.IntN(2)] + digits(30)
	if r.IntN(2) == 0 {
		text += "." + digits(30)
	}
	if r.IntN(3) == 0 {
		text += fmt.Sprintf("%s%s%d", []string{"e", "E"}[r.IntN(2)], []string{"", "+", "-"}[r.IntN(3)], r.IntN(300))
	}
	return text
}

func randomUUID(r *rand.Rand) string {
	text := fmt.Sprintf("%08x-%04x-%04x-%04x-%012x", r.Uint32(), r.Uint32()&0xffff, r.Uint32()&0xffff, r.Uint32()&0xffff, r.Uint64()&0xffffffffffff)
	if r.IntN(2) == 0 {
		return strings.ToUpper(text)
	}
	return text
}

// randomDay returns a day, and what follows it in years before 1.
func randomDay(r *rand.Rand, last int) (day, era string) {
	year := 1 + r.IntN([]int{4713, 9999, last}[r.IntN(3)])
	if year < 4714 && r.IntN(2) == 0 {
		era = " BC"
	}
	return fmt.Sprintf("%04d-%02d-%02d", year, 1+r.IntN(12), 1+r.IntN(28)), era
}

func randomDate(r *rand.Rand) string {
	day, era := randomDay(r, 5_874_896)
	return day + era
}

func randomTimestamp(r *rand.Rand, offset string) string {
	day, era := randomDay(r, 294_275)
	text := day + []string{"T", " "}[r.IntN(2)] + fmt.Sprintf("%02d:%02d", r.IntN(24), r.IntN(60))
	if r.IntN(4) > 0 {
		text += fmt.Sprintf(":%02d", r.IntN(60))
		if r.IntN(4) > 0 {
			text += "." + fmt.Sprintf("%06d", r.IntN(1_000_000))[:1+r.IntN(6)]
		}
	}
	return text + offset + era
}

func randomOffset(r *rand.Rand) string {
	sign := []string{"+", "-"}[r.IntN(2)]
	switch r.IntN(3) {
	case 0:
		return "Z"
	case 1:
		return fmt.Sprintf("%s%02d", sign, r.IntN(16))
	}
	return fmt.Sprintf("%s%02d:%02d", sign, r.IntN(16), r.IntN(60))
}
