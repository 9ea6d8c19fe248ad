package eventlog_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/pgherald/pgherald/db/eventlog"
	"github.com/pgherald/pgherald/db/pgtest"
	"github.com/pgherald/pgherald/stream"
)

// unreadableTexts are expressions of texts that PostgreSQL stores in a database of the encoding, but cannot
// send as UTF-8.
var unreadableTexts = map[string]string{
	"WIN1252":   `chr(129)`,                                 // no character of this encoding
	"SQL_ASCII": `convert_from('\xc3'::bytea, 'SQL_ASCII')`, // an incomplete character
	"EUC_JP":    `convert_from('\xfdfd'::bytea, 'EUC_JP')`,  // characters that Unicode lacks
	"EUC_KR":    `convert_from('\xc9a1'::bytea, 'EUC_KR')`,
}

// TestUnreadableEventsAreIsolated writes events of which some cannot be converted to UTF-8. The others must
// arrive; those are replaced by events that say so, with their type if at least that can be read.
func TestUnreadableEventsAreIsolated(t *testing.T) {
	for encoding, bad := range unreadableTexts {
		for name, sized := range sizesOfReads {
			if encoding != "WIN1252" && name != "pages" {
				continue
			}
			t.Run(encoding+"/"+name, func(t *testing.T) {
				url := pgtest.EncodedDatabase(t, encoding)
				log := sized(openLog(t, url))
				start := head(t, log, 0)
				writer := pgtest.Connect(t, url)
				for i := range 40 {
					sql := `insert into pgherald.events (type, key, audience, data) values ('a', 'k', '{t}', '1')`
					switch i {
					case 3, 4, 17, 39:
						sql = strings.Replace(sql, `'1'`, `to_json(`+bad+`::text)`, 1)
					case 20:
						sql = strings.Replace(sql, `'k'`, bad, 1)
					case 21:
						sql = strings.Replace(sql, `'{t}'`, `array[`+bad+`]`, 1)
					case 22:
						sql = strings.Replace(sql, `'a'`, bad, 1)
					}
					pgtest.Exec(t, writer, sql)
				}
				var got []string
				for _, e := range readAll(t, log, start) {
					got = append(got, fmt.Sprint(e.Type, " ", e.Incomplete, " ", strings.Contains(string(e.Data), `{"type":"a",`)))
					if e.Incomplete != "" && (e.Key != "" || e.Audience != nil) {
						t.Errorf("the lost event shows %q %q", e.Key, e.Audience)
					}
				}
				var want []string
				for i := range 40 {
					switch i {
					case 3, 4, 17, 39, 20, 21:
						want = append(want, "collection_reset unreadable true")
					case 22:
						want = append(want, "collection_reset unreadable false")
					default:
						want = append(want, "a  false")
					}
				}
				if diff := cmp.Diff(want, got); diff != "" {
					t.Error(diff)
				}
			})
		}
	}
}

// TestUnreadableEventInALargeTransaction reads a transaction in parts, one event of which is unreadable.
func TestUnreadableEventInALargeTransaction(t *testing.T) {
	url := pgtest.EncodedDatabase(t, "WIN1252")
	log := openLog(t, url).WithSizes(10, 10, 500)
	start := head(t, log, 0)
	pgtest.Exec(t, pgtest.Connect(t, url), `
		insert into pgherald.events (type, data) select 'a', to_json(case when i = 777 then chr(129) else 'x' end) from generate_series(1, 1000) i`)
	events := readAll(t, log, start)
	if len(events) != 1000 || events[776].Incomplete != stream.Unreadable || events[775].Incomplete != "" || events[777].Incomplete != "" {
		t.Errorf("got %d events; number 777 is %+v", len(events), events[min(776, len(events))])
	}
}

// TestPruneOfUnreadableEvents prunes by size and by age.
func TestPruneOfUnreadableEvents(t *testing.T) {
	url := pgtest.EncodedDatabase(t, "WIN1252")
	pool := openPool(t, url)
	pgtest.Exec(t, pgtest.Connect(t, url), `insert into pgherald.events (type, data) select 'a', to_json(repeat(chr(129), 1000)) from generate_series(1, 10)`)
	if n := prune(t, pool, eventlog.PrunerOptions{MaxBytes: 1}); n != 10 {
		t.Errorf("pruned %d events", n)
	}
}

// TestReadAfterPruningOfUnreadableEvents prunes between the statements of one read.
func TestUnreadableEventsArePruned(t *testing.T) {
	url := pgtest.EncodedDatabase(t, "WIN1252")
	log := openLog(t, url)
	start := head(t, log, 0)
	pgtest.Exec(t, pgtest.Connect(t, url), `insert into pgherald.events (type, data) values ('a', to_json(chr(129)))`)
	if n := prune(t, openPool(t, url), eventlog.PrunerOptions{MaxBytes: 1}); n != 1 {
		t.Fatalf("pruned %d events", n)
	}
	if _, err := log.Read(t.Context(), start); err == nil {
		t.Error("a read of a pruned event succeeded")
	}
}
