package doctor_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/pgherald/pgherald/cmd/internal/doctor"
	"github.com/pgherald/pgherald/db/notify"
	"github.com/pgherald/pgherald/db/pgtest"
	"github.com/pgherald/pgherald/triggers"
)

// level returns the level of a check's first finding.
func level(t *testing.T, r doctor.Report, check string) doctor.Level {
	t.Helper()
	i := slices.IndexFunc(r, func(f doctor.Finding) bool { return f.Check == check })
	if i < 0 {
		t.Fatalf("no finding for %s: %+v", check, r)
	}
	return r[i].Level
}

func TestDatabase(t *testing.T) {
	url := pgtest.NewDatabase(t)
	conn := pgtest.Connect(t, url)
	spec := triggers.Workload()
	if report := doctor.Database(t.Context(), url, spec, ""); level(t, report, "triggers") != doctor.Error || level(t, report, "listen") != doctor.Fine {
		t.Errorf("without triggers: %+v", report)
	}
	if _, err := triggers.Apply(t.Context(), conn, spec); err != nil {
		t.Fatal(err)
	}
	if report := doctor.Database(t.Context(), url, spec, ""); report.Worst() != doctor.Fine {
		t.Errorf("a healthy database: %+v", report)
	}
	pgtest.Exec(t, conn, `select pg_catalog.pg_advisory_lock($1)`, int64(notify.LeaderLock))
	if report := doctor.Database(t.Context(), url, spec, ""); level(t, report, "locks") != doctor.Warning {
		t.Errorf("with a squatter: %+v", report)
	}
	pgtest.Exec(t, conn, `drop table public.activities cascade`)
	report := doctor.Database(t.Context(), url, spec, "set --spec")
	if !slices.ContainsFunc(report, func(f doctor.Finding) bool { return f.Remedy == "set --spec" }) {
		t.Errorf("without a table: %+v", report)
	}
	if report := doctor.Database(t.Context(), "postgres://absent@127.0.0.1:1/none", spec, ""); report.Worst() != doctor.Error {
		t.Errorf("without a database: %+v", report)
	}
}

// A filter field of a large table without an index is a note, which leaves the exit code alone.
func TestIndexes(t *testing.T) {
	url := pgtest.NewDatabase(t)
	conn := pgtest.Connect(t, url)
	pgtest.Exec(t, conn, `
		create table public.orders (id int primary key, status text);
		insert into public.orders select generate_series(1, 10000);
		analyze public.orders`)
	spec, err := triggers.Parse([]byte(`tables: [{name: public.orders, collection: orders, filter: [status]}]`))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := triggers.Apply(t.Context(), conn, spec); err != nil {
		t.Fatal(err)
	}
	report := doctor.Database(t.Context(), url, spec, "")
	var b strings.Builder
	if err := report.Print(&b); err != nil || report.Worst() != doctor.Fine || !strings.Contains(b.String(), "create index concurrently on public.orders (status, id)") {
		t.Errorf("%v\n%s", err, b.String())
	}
}

func TestStream(t *testing.T) {
	watch := func(handler http.HandlerFunc, limit time.Duration) doctor.Report {
		server := httptest.NewServer(handler)
		defer server.Close()
		return doctor.Stream(t.Context(), server.URL, doctor.Credentials{}, limit)
	}
	serve := func(handler http.HandlerFunc) doctor.Report { return watch(handler, time.Hour) } // of a stream that ends
	good := func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("data: {}\n\n")) }
	endless := func(w http.ResponseWriter, r *http.Request) {
		good(w, r)
		_ = http.NewResponseController(w).Flush()
		<-r.Context().Done()
	}
	packed := func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Encoding", "gzip")
		good(w, r)
	}
	own := func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Encoding", "gzip")
		_, _ = w.Write([]byte("\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\xff\x00\x0a\x00\xf5\xffdata: {}\n\n\x00\x00\x00\xff\xff"))
	}
	silent := func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }
	watch(endless, 100*time.Millisecond) // ends
	if report := serve(good); level(t, report, "compression") != doctor.Fine || report.Worst() == doctor.Error {
		t.Errorf("a good stream: %+v", report)
	}
	if report := serve(packed); level(t, report, "compression") != doctor.Warning {
		t.Errorf("a compressed stream: %+v", report)
	}
	if report := serve(own); level(t, report, "compression") != doctor.Fine || level(t, report, "first byte") == doctor.Error {
		t.Errorf("a stream that pgherald compresses: %+v", report)
	}
	if report := watch(silent, 100*time.Millisecond); report.Worst() != doctor.Error {
		t.Errorf("a stream that is held back: %+v", report)
	}
	for code, want := range map[string]doctor.Level{"auth_unavailable": doctor.Error, "session_required": doctor.Warning} {
		report := serve(func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(http.StatusUnauthorized)
			fmt.Fprintf(w, `{"code":%q}`, code)
		})
		if level(t, report, "auth") != want || !strings.Contains(report[0].Found, "--auth-url") {
			t.Errorf("%s: %+v", code, report)
		}
	}
	refused := func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusUnauthorized) }
	report := serve(refused)
	var b strings.Builder
	if err := report.Print(&b); err != nil || !strings.Contains(b.String(), "401 Unauthorized") || !strings.Contains(b.String(), "→ look at") {
		t.Errorf("a refused stream: %v\n%s", err, b.String())
	}
}
