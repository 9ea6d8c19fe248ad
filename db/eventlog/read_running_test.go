package eventlog_test

import (
	"regexp"
	"strconv"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/pgherald/pgherald/db/eventlog"
	"github.com/pgherald/pgherald/db/pgtest"
)

// TestReadSkipsRunningTransactions checks that a read does not inspect the rows of a hole whose
// transaction is still running, however many it has written.
func TestReadSkipsRunningTransactions(t *testing.T) {
	url := pgtest.NewDatabase(t)
	log, conn := openLog(t, url), pgtest.Connect(t, url)
	large := pgtest.Begin(t, url)
	emit(t, large, "large", 20_000)
	from, err := log.Tail(t.Context(), 0, 0)
	if err != nil {
		t.Fatal(err)
	}
	emit(t, conn, "small", 1)
	_, seen := collect(t, log, from)
	if len(seen.Holes()) != 1 {
		t.Fatalf("holes are %v", seen.Holes())
	}
	pgtest.Exec(t, conn, `set enable_seqscan = off`)
	if got := blocksRead(t, conn, seen.Next(), seen.Holes()); got > 50 {
		t.Errorf("a read touched %d blocks", got)
	}
	pgtest.Commit(t, large)
	got, _ := collect(t, log, seen)
	if len(got) != 1 || got[0] != "large×20000" {
		t.Errorf("got %v", got)
	}
}

// blocksRead returns how many blocks of tables and indexes a read touches.
func blocksRead(t *testing.T, conn *pgx.Conn, next uint64, holes []uint64) (n int) {
	t.Helper()
	rows, err := conn.Query(t.Context(), `explain (analyze, buffers, costs off, timing off, summary off) `+eventlog.ReadSQL,
		10_000, next, 1001, holes)
	if err != nil {
		t.Fatal(err)
	}
	lines, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		t.Fatal(err)
	}
	for _, count := range regexp.MustCompile(`(?:hit|read)=(\d+)`).FindAllStringSubmatch(lines[1], -1) {
		blocks, err := strconv.Atoi(count[1])
		if err != nil {
			t.Fatal(err)
		}
		n += blocks
	}
	if n == 0 {
		t.Fatalf("no blocks in %q", lines)
	}
	return n
}
