package triggers_test

import (
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/pgherald/pgherald/triggers"
)

// BenchmarkFilterFields measures updates of a thousand rows in one statement: of a table without a collection, and of
// collections with five filter fields whose update changes none of them, one of them, or the audience. named is without a
// collection, with a function that names the columns. The processor time of the session for
// a row is in cpu-ns/row, so that other load on the machine matters less.
func BenchmarkFilterFields(b *testing.B) {
	const rows = 1000
	const plain = "name: public.%s, on: { insert: %[1]s_c, update: %[1]s_u, delete: %[1]s_d }"
	const filtered = plain + ", collection: %[1]s, filter: [a, b, c, d, e]"
	wide, wideFiltered := strings.ReplaceAll(plain, "public.", "public.wide_"), strings.ReplaceAll(filtered, "public.", "public.wide_")
	wideFiltered = strings.ReplaceAll(wideFiltered, "[a, b, c, d, e]", "["+wideColumns("c%d")+"]")
	for _, subject := range []struct{ name, spec, set string }{
		{"without", plain, "note = note + 1"},
		{"unchanged", filtered, "note = note + 1"},
		{"changed", filtered, "a = 'x' || (note + 1), note = note + 1"},
		{"without_text", plain, "a = 'x' || (note + 1), note = note + 1"},
		{"named", plain + ", columns: { sensitive: false }", "note = note + 1"},
		{"wide_without", wide, "note = note + 1"},
		{"wide_named", wide + ", columns: { sensitive: false }", "note = note + 1"},
		{"wide_unchanged", wideFiltered, "note = note + 1"},
		{"wide_changed", wideFiltered, "c1 = c1 + 1"},
		{"wide_without_number", wide, "c1 = c1 + 1"},
		{"audience_without", plain + ", audience: 'array[n.owner]'", "note = note + 1"},
		{"audience_unchanged", filtered + ", audience: 'array[n.owner]'", "note = note + 1"},
		{"audience_changed", filtered + ", audience: 'array[n.owner]'", "owner = 'x' || (note + 1), note = note + 1"},
		{"audience_without_text", plain + ", audience: 'array[n.owner]'", "owner = 'x' || (note + 1), note = note + 1"},
	} {
		b.Run(subject.name, func(b *testing.B) {
			t := open(b, `create table public.t (id int primary key, a text, b text, c int, d numeric, e timestamptz, owner text, note int) with (fillfactor = 40);
				create table public.wide_t (id int primary key, `+wideColumns("c%d int default 0")+`, note int default 0) with (fillfactor = 40);
				insert into public.wide_t (id) select i from generate_series(1, 1000) as i;
				insert into public.t select i, 'open', 'paid', i, i / 7.0, now(), 'ann', 0 from generate_series(1, 1000) as i`)
			table := "public.t"
			if strings.HasPrefix(subject.name, "wide") {
				table = "public.wide_t"
			}
			spec, err := triggers.Parse(fmt.Appendf(nil, "tables: [{ "+subject.spec+" }]", "t"))
			if err != nil {
				b.Fatal(err)
			}
			t.apply(spec)
			t.exec(`update ` + table + ` set ` + subject.set) // plans, and fills caches
			pid := t.one(`select pg_backend_pid()::text`)
			var used time.Duration
			for b.Loop() {
				b.StopTimer()
				t.exec(`truncate pgherald.events`)
				t.exec(`vacuum ` + table)
				before := processorTime(b, pid)
				b.StartTimer()
				t.exec(`update ` + table + ` set ` + subject.set)
				used += processorTime(b, pid) - before
			}
			b.ReportMetric(float64(used.Nanoseconds())/float64(b.N)/rows, "cpu-ns/row")
		})
	}
}

// processorTime returns what the session has used, where Linux says so and the server is on this machine.
func processorTime(b *testing.B, pid string) time.Duration {
	b.Helper()
	text, err := os.ReadFile("/proc/" + pid + "/schedstat")
	if err != nil {
		b.Skip("the processor time of the server's sessions is not known here: ", err)
	}
	var nanoseconds int64
	if _, err := fmt.Sscan(string(text), &nanoseconds); err != nil {
		b.Fatal(err)
	}
	return time.Duration(nanoseconds)
}

// wideColumns returns a text about each of thirty columns.
func wideColumns(format string) string {
	list := make([]string, 30)
	for i := range list {
		list[i] = fmt.Sprintf(format, i+1)
	}
	return strings.Join(list, ", ")
}
