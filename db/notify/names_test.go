package notify_test

import (
	"regexp"
	"strconv"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/pgherald/pgherald/db/notify"
	"github.com/pgherald/pgherald/db/pgtest"
)

// The generated trigger functions and the migrations spell the leader's lock and the channel as
// literals. Both must be the ones of this package, or the leader would not see writers and the
// listener would not hear them.
func TestLockAndChannelInFunctions(t *testing.T) {
	conn := pgtest.Connect(t, newWatchedTable(t))
	rows, err := conn.Query(t.Context(), `
		select proname::text, prosrc from pg_proc
		where pronamespace = 'pgherald'::regnamespace and prosrc ~ 'pg_notify'`)
	if err != nil {
		t.Fatal(err)
	}
	lock := regexp.MustCompile(`pg_(?:try_)?advisory_(?:un)?lock_shared\((\d+)\)`)
	channel := regexp.MustCompile(`pg_notify\('(\w+)'`)
	functions := map[string]bool{}
	var name, body string
	_, err = pgx.ForEachRow(rows, []any{&name, &body}, func() error {
		functions[name] = true
		checkLiterals(t, name, "lock", lock.FindAllStringSubmatch(body, -1), 2, strconv.FormatInt(notify.LeaderLock, 10))
		checkLiterals(t, name, "channel", channel.FindAllStringSubmatch(body, -1), 1, notify.Channel)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	// One of the migrations and two of the triggers on public.rows.
	if !functions["wake"] || len(functions) != 3 {
		t.Errorf("found NOTIFY in the functions %v, want wake and two trigger functions", functions)
	}
}

func checkLiterals(t *testing.T, function, kind string, found [][]string, count int, want string) {
	t.Helper()
	if len(found) != count {
		t.Errorf("function %s spells the %s %d times, want %d", function, kind, len(found), count)
	}
	for _, match := range found {
		if match[1] != want {
			t.Errorf("function %s spells the %s as %s, want %s", function, kind, match[1], want)
		}
	}
}
