package main

import (
	"bytes"
	"context"
	"encoding/json"
	"flag"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/pgherald/pgherald/cmd/pgherald-bench/internal/report"
	"github.com/pgherald/pgherald/db/pgtest"
)

// hangLimit bounds each run of a benchmark. It only ends a run that hangs.
const hangLimit = 5 * time.Minute

var all = flag.Bool("all", false, "run every benchmark in TestBench, which takes a minute")

// isQuick reports whether TestBench runs the benchmark by default: one with clients, and the one that changes the generated triggers.
func isQuick(args string) bool {
	return strings.HasPrefix(args, "resume ") || strings.HasPrefix(args, "writers --alone ")
}

// TestBench runs benchmarks with the server program, briefly and with few clients. Deliveries must be
// complete, and each figure must be present.
func TestBench(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if out, err := exec.CommandContext(t.Context(), "go", "build", "-o", dir, ".", "../pgherald").CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	binary := filepath.Join(dir, "pgherald-bench")
	for _, test := range []struct {
		args   string
		want   []string // scenario: subject
		values []string // in each row of pgherald
	}{
		{
			args:   "fanout --connections=20 --duration=300ms --rates=20,100 --rounds=2",
			want:   []string{"20 events/s: write", "20 events/s: listen", "20 events/s: pgherald", "100 events/s: write", "100 events/s: listen", "100 events/s: pgherald"},
			values: []string{"offered_per_s", "delivered_per_s", "us_per_delivery", "p50_ms", "p99_ms", "spread_p99_ms", "complete_percent"},
		},
		{
			args:   "latency --connections=10 --duration=300ms --rates=50,600 --rounds=1",
			want:   []string{"50 writes/s: listen", "50 writes/s: pgherald", "600 writes/s: listen", "600 writes/s: pgherald"},
			values: []string{"written_per_s", "p50_ms", "p90_ms", "p99_ms", "max_ms", "complete_percent"},
		},
		{
			args:   "memory --connections=60 --replicas=2 --settle=100ms --rounds=1",
			want:   []string{"HTTP/1.1: write", "HTTP/1.1: listen", "HTTP/1.1: pgherald", "HTTP/2: listen", "HTTP/2: pgherald"},
			values: []string{"connections", "servers", "kb_per_connection", "connects_per_s"},
		},
		{
			args:   "resume --storms=50x20,10x100 --rounds=1",
			want:   []string{"50 clients, 20 events missed: listen", "50 clients, 20 events missed: connect", "10 clients, 100 events missed: pgherald"},
			values: []string{"seconds", "cpu_us_per_client", "sent_again", "cpu_us_per_event", "from_log", "transactions", "complete_percent"},
		},
		{
			args:   "writers --clients=1,4 --duration=300ms --warm=100ms --rows=100 --subscribers=3 --rounds=1",
			want:   []string{"1 clients: none", "1 clients: naive", "1 clients: row", "4 clients: log", "4 clients: pgherald"},
			values: []string{"tps", "p50_ms", "p99_ms", "unannounced", "complete_percent"},
		},
		{
			args:   "writers --alone --subjects=none,log,always,pgherald --clients=2 --duration=300ms --warm=100ms --rows=100 --rounds=1",
			want:   []string{"2 clients: none", "2 clients: log", "2 clients: always", "2 clients: pgherald"},
			values: []string{"tps", "p50_ms", "p99_ms"},
		},
		{
			args:   "latency --rows=100 --rates=1000 --connections=10 --duration=300ms --rounds=1 --subjects=pgherald",
			want:   []string{"1000 writes/s: pgherald"},
			values: []string{"written_per_s", "last_p50_ms", "last_p99_ms", "complete_percent"},
		},
		{
			args:   "lists --rows=20000 --requests=10 --rounds=1",
			want:   []string{"by key: select", "by key: prepared", "by key: cursor", "by key: handler", "by key: pgherald"},
			values: []string{"p50_us", "min_us", "p99_us"},
		},
		{
			args:   "size --rate=100 --windows=2 --window=300ms --fill=100 --rounds=1 --connections=5",
			want:   []string{"window 1 of 2: pgherald", "window 2 of 2: pgherald"},
			values: []string{"written_per_s", "p50_ms", "p99_ms", "heap_mb", "index_mb", "complete_percent"},
		},
		{
			args:   "edges --servers=1,2 --rate=20 --duration=300ms --fill=1000 --rounds=1",
			want:   []string{"copy 1000 events: relay", "1 servers: replica", "1 servers: edge", "2 servers: edge"},
			values: nil, // each scenario has others
		},
		{
			args:   "latency --connections=5 --duration=300ms --rates=50 --rounds=1 --subjects=pgherald,edge",
			want:   []string{"50 writes/s: pgherald", "50 writes/s: edge"},
			values: []string{"written_per_s", "p50_ms", "complete_percent"},
		},
		{
			args:   "peers --few=5 --many=10 --idle=20 --settle=100ms --duration=1s --missed=20 --rounds=1",
			want:   []string{"20 events/s to 5 clients: pgherald", "20 events/s to 10 clients: pgherald", "20 idle clients: pgherald", "away for 20 events: pgherald", "connections end: pgherald"},
			values: nil, // each scenario has others
		},
		{
			args:   "bulk --rows=500 --connections=5 --rounds=1 --subjects=none,row,log,pgherald",
			want:   []string{"500 rows: none", "500 rows: row", "500 rows: log", "500 rows: pgherald"},
			values: []string{"statement_s", "all_s", "peak_mb", "feed_mb", "complete_percent"},
		},
	} {
		if !*all && !isQuick(test.args) {
			continue
		}
		t.Run(test.args, func(t *testing.T) {
			r := runBench(t, binary, strings.Fields(test.args)...)
			checkRows(t, r, test.want, test.values)
		})
	}
}

// runBench runs a benchmark, returns its report, and checks that it has dropped its database.
func runBench(t *testing.T, binary string, args ...string) report.Report {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), hangLimit)
	defer cancel()
	database := pgtest.NewDatabase(t)
	cmd := exec.CommandContext(ctx, binary, slices.Concat(args, []string{"--json", "--patience=2m", "--database-url=" + database})...)
	cmd.Env = []string{"LC_ALL=C", "TMPDIR=" + t.TempDir(), "PATH=" + os.Getenv("PATH")}
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%v: %v\n%s", cmd, err, stderr.String())
	}
	var r report.Report
	if err := json.Unmarshal(out, &r); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	t.Logf("notes: %q", r.Notes)
	name := wordAfter(stderr.String(), "Using database ")
	if name == "" || databaseExists(ctx, t, database, name) {
		t.Errorf("database %q still exists; stderr:\n%s", name, stderr.String())
	}
	return r
}

// wordAfter returns the text between a prefix and the next comma.
func wordAfter(text, prefix string) string {
	_, rest, _ := strings.Cut(text, prefix)
	word, _, _ := strings.Cut(rest, ",")
	return word
}

// databaseExists reports whether the server of url has a database of this name.
func databaseExists(ctx context.Context, t *testing.T, url, name string) (exists bool) {
	t.Helper()
	conn, err := pgx.Connect(ctx, url)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(ctx)
	if err := conn.QueryRow(ctx, `select exists (select from pg_database where datname = $1)`, name).Scan(&exists); err != nil {
		t.Fatal(err)
	}
	return exists
}

// checkRows checks that the report has the wanted rows and that each row of pgherald has the values.
func checkRows(t *testing.T, r report.Report, want, values []string) {
	t.Helper()
	var got []string
	for _, row := range r.Results {
		got = append(got, row.Scenario+": "+row.Subject)
		complete, known := row.Values["complete_percent"]
		if known && complete != 100 {
			t.Errorf("%s: %s: %g %% of the clients are complete", row.Scenario, row.Subject, complete)
		}
		if row.Subject != "pgherald" {
			continue
		}
		for _, key := range values {
			if _, ok := row.Values[key]; !ok {
				t.Errorf("%s: %s has no %s", row.Scenario, row.Subject, key)
			}
		}
		if len(row.Ratios) == 0 && r.Benchmark != "size" && r.Benchmark != "peers" { // which have no baseline, or none without other programs
			t.Errorf("%s: pgherald has no ratios", row.Scenario)
		}
	}
	for _, name := range want {
		if !slices.Contains(got, name) {
			t.Errorf("row %q is missing in %q", name, got)
		}
	}
}

// TestInvalidUse checks the refusal of a database in use and of invalid flags.
func TestInvalidUse(t *testing.T) {
	t.Parallel()
	database := pgtest.NewDatabase(t)
	conn, err := pgx.Connect(t.Context(), database)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.Background())
	if _, err := conn.Exec(t.Context(), `create table precious (id int)`); err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		args []string
		want string
		code int
	}{
		{[]string{"--database-url=" + database, "--pgherald=/proc/self/exe"}, "--yes", 1},
		{[]string{"--database-url=" + database}, "make build", 1},
		{nil, "--ephemeral", 2},
		{[]string{"--ephemeral", "--database-url=" + database}, "does not go with", 2},
		{[]string{"--database-url=" + database, "--rates=0"}, "--rates", 2},
		{[]string{"--database-url=" + database, "--subjects=nonsense"}, "nonsense", 2},
		{[]string{"--database-url=" + database, "--connections=0"}, "--connections", 2},
		{[]string{"--database-url=" + database, "--rounds=0"}, "--rounds", 2},
		{[]string{"--database-url=" + database, "--duration=1ns"}, "--duration", 2},
	} {
		var out, log bytes.Buffer
		args := append([]string{"fanout"}, test.args...)
		if code := run(t.Context(), args, &out, &log); code != test.code || !strings.Contains(log.String(), test.want) || out.Len() > 0 {
			t.Errorf("%q: exit code %d, want %d with %q; stderr:\n%s", args, code, test.code, test.want, log.String())
		}
	}
}
