package notify_test

import (
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/pgherald/pgherald/db/notify"
	"github.com/pgherald/pgherald/db/pgtest"
)

var (
	lockLiteral    = regexp.MustCompile(`pg_(?:try_)?advisory_(?:un)?lock_shared\((\d+)\)`)
	aloneLiteral   = regexp.MustCompile(`pg_(?:try_)?advisory_(?:un)?lock\((\d+)\)`)
	channelLiteral = regexp.MustCompile(`pg_notify\('(\w+)'`)
)

// The generated trigger functions and the migrations spell the locks and the channel as literals. If
// they differed from this package's, leaders would not exclude writers, and listeners would receive nothing.
func TestNamesInFunctions(t *testing.T) {
	conn := pgtest.Connect(t, newWatchedTable(t))
	rows, err := conn.Query(t.Context(), `
		select proname::text, prosrc from pg_proc
		where pronamespace = 'pgherald'::regnamespace and prosrc ~ 'pg_notify' and prosrc !~ 'pgherald_control' -- of revocations`)
	if err != nil {
		t.Fatal(err)
	}
	functions := map[string]bool{}
	var name, body string
	_, err = pgx.ForEachRow(rows, []any{&name, &body}, func() error {
		functions[name] = true
		checkLiterals(t, "function "+name, lockLiteral.FindAllStringSubmatch(body, -1), 2, strconv.FormatInt(notify.LeaderLock, 10))
		checkLiterals(t, "function "+name, aloneLiteral.FindAllStringSubmatch(body, -1), 2, strconv.FormatInt(notify.ListenerLock, 10))
		checkLiterals(t, "function "+name, channelLiteral.FindAllStringSubmatch(body, -1), 1, notify.Channel)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	// One of the migrations and that of the trigger on public.rows.
	if !functions["wake"] || len(functions) != 2 {
		t.Errorf("found NOTIFY in the functions %v, want wake and a trigger function", functions)
	}
}

// Package control does not import this one, and spells its channel as a literal.
func TestChannelInPackageControl(t *testing.T) {
	files, err := filepath.Glob("../control/*.go")
	if err != nil {
		t.Fatal(err)
	}
	var found [][]string
	for _, file := range files {
		if strings.HasSuffix(file, "_test.go") {
			continue
		}
		source, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		found = append(found, channelLiteral.FindAllStringSubmatch(string(source), -1)...)
	}
	checkLiterals(t, "package control", found, 1, notify.ControlChannel)
}

// checkLiterals compares the first group of each match with the literal that is wanted.
func checkLiterals(t *testing.T, where string, found [][]string, count int, want string) {
	t.Helper()
	if len(found) != count {
		t.Errorf("%s: found %d literals where %s is wanted, want %d", where, len(found), want, count)
	}
	for _, match := range found {
		if match[1] != want {
			t.Errorf("%s: found %s, want %s", where, match[1], want)
		}
	}
}
