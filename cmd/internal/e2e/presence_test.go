package e2e

import (
	"bufio"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"net"
	"net/http"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"

	"github.com/pgherald/pgherald/cmd/internal/server"
	"github.com/pgherald/pgherald/db/pgtest"
)

// lobby is where users come and go, and somebody watches.
type lobby struct {
	*testing.T
	ctx   context.Context
	conn  *pgx.Conn
	watch *bufio.Scanner // of a stream of their presence
	is    map[string]bool
	said  map[string]int // how often something was said of each
}

// newLobby watches at the server that has this address.
func newLobby(t *testing.T, databaseURL, addr string) *lobby {
	t.Helper()
	ctx := testContext(t)
	l := &lobby{T: t, ctx: ctx, conn: pgtest.Connect(t, databaseURL), is: make(map[string]bool), said: make(map[string]int)}
	conn := l.come(addr, "types=presence_updated")
	response, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil || response.StatusCode != http.StatusOK {
		t.Fatalf("%v %v", response, err)
	}
	l.watch = bufio.NewScanner(response.Body)
	return l
}

// come opens a stream and reads nothing of it.
func (l *lobby) come(addr, query string) net.Conn {
	l.Helper()
	conn, err := (&net.Dialer{}).DialContext(l.ctx, "tcp", addr)
	if err != nil {
		l.Fatal(err)
	}
	l.Cleanup(func() { conn.Close() })
	deadline, _ := l.ctx.Deadline()
	_ = conn.SetDeadline(deadline)
	if _, err := fmt.Fprintf(conn, "GET /api/events?%s HTTP/1.1\r\nHost: pgherald\r\n\r\n", query); err != nil {
		l.Fatal(err)
	}
	return conn
}

// hears watches until what was last said of this many users is what is wanted of them.
func (l *lobby) hears(users []string, online bool) {
	l.Helper()
	missing := make(map[string]bool)
	for _, user := range users {
		if is, said := l.is[user]; !said || is != online {
			missing[user] = true
		}
	}
	for len(missing) > 0 && l.watch.Scan() {
		text, isData := strings.CutPrefix(l.watch.Text(), "data: ")
		if !isData {
			continue
		}
		var e struct {
			Type string
			Data struct {
				UserID   string
				IsOnline bool
			}
		}
		if err := json.Unmarshal([]byte(text), &e); err != nil {
			l.Fatal(err)
		}
		if e.Type != "presence_updated" {
			continue
		}
		user := e.Data.UserID
		l.said[user]++
		l.is[user] = e.Data.IsOnline
		if delete(missing, user); e.Data.IsOnline != online {
			l.Fatalf("%s is said to be online: %t", user, e.Data.IsOnline)
		}
	}
	if len(missing) > 0 {
		l.Fatalf("of %d users nothing is heard: %v", len(missing), l.watch.Err())
	}
}

// logged compares how often the log says of each user that he came or went, and returns in how many
// transactions.
func (l *lobby) logged(online bool, users []string) (transactions int) {
	l.Helper()
	const sql = `
select e.key, count(*), (
    select count(distinct o.xid::text) from pgherald.events as o
    where o.type = 'presence_updated' and (o.data ->> 'isOnline')::boolean = $1
)
from pgherald.events as e
where e.type = 'presence_updated' and (e.data ->> 'isOnline')::boolean = $1
group by e.key`
	rows, err := l.conn.Query(l.ctx, sql, online)
	if err != nil {
		l.Fatal(err)
	}
	got, want := make(map[string]int), make(map[string]int)
	var user string
	var times int
	_, err = pgx.ForEachRow(rows, []any{&user, &times, &transactions}, func() error { got[user] = times; return nil })
	if err != nil {
		l.Fatal(err)
	}
	for _, user := range users {
		want[user]++
	}
	if diff := cmp.Diff(want, got); diff != "" {
		l.Errorf("users of whom the log says %t, and how often (-want +got):\n%s", online, diff)
	}
	return transactions
}

func userNames(kind string, n int) (users []string) {
	for i := range n {
		users = append(users, fmt.Sprint(kind, "-", i))
	}
	return users
}

// TestPresenceOfAKilledReplica kills a replica with users on it. The other one tells that they are gone,
// once, and not of those who are with it too. Who then comes to it is back.
func TestPresenceOfAKilledReplica(t *testing.T) {
	t.Parallel()
	url := pgtest.NewDatabase(t)
	binary := buildProgram(t)
	doomed, at := serveProgram(t, binary, url)
	_, survivor := serveProgram(t, binary, url)
	doomedAddr, addr := strings.TrimPrefix(at, "http://"), strings.TrimPrefix(survivor, "http://")
	l := newLobby(t, url, addr)
	alone, both := userNames("alone", 40), userNames("both", 10)
	for _, user := range alone {
		l.come(doomedAddr, "user="+user)
	}
	for _, user := range both {
		l.come(doomedAddr, "user="+user)
		l.come(addr, "user="+user)
	}
	l.hears(slices.Concat(alone, both), true)
	l.awaitRows(60)
	doomed.signal(t, syscall.SIGKILL)
	<-doomed.ended
	l.logged(false, nil)
	// It would be dead 35 s after its last sign of life. Half a minute of that has passed:
	pgtest.Exec(t, l.conn, `
		update pgherald.replicas set last_seen = last_seen - interval '30 seconds'
		where id in (select replica from pgherald.presence where user_id = 'alone-0')`)
	began := time.Now()
	l.hears(alone, false)
	t.Logf("its users were gone after half a minute and %v", time.Since(began).Round(time.Millisecond))
	l.come(addr, "user="+alone[0])
	l.hears(alone[:1], true)
	l.logged(false, alone)
	l.logged(true, append(slices.Concat(alone, both), alone[0]))
	l.awaitRows(11)
}

// awaitRows waits until the table of who is where has this many rows.
func (l *lobby) awaitRows(want int) {
	l.Helper()
	for got := -1; got != want; {
		if err := l.conn.QueryRow(l.ctx, `select count(*) from pgherald.presence`).Scan(&got); err != nil {
			l.Fatalf("%d rows, not %d: %v", got, want, err)
		}
		pause(l.ctx, 10*time.Millisecond)
	}
}

var presenceUsers = flag.Int("presence.users", 500, "users of TestPresenceOfACrowd")

// TestPresenceOfACrowd has users connect as fast as they can, some of them reload, and half
// of them leave. Each coming and each going is told once, and they are few writes. Where a process may
// not open that many files, they are fewer.
func TestPresenceOfACrowd(t *testing.T) {
	t.Parallel()
	url := pgtest.NewDatabase(t)
	_, at := serveProgram(t, buildProgram(t), url)
	addr := strings.TrimPrefix(at, "http://")
	l := newLobby(t, url, addr)
	n := *presenceUsers
	if files := server.MaxFiles(); files > 0 {
		n = min(n, files/2)
	}
	all := userNames("user", n)
	const quiet = "types=activity_deleted&user=" // hears of nobody: each of them to each is not the point here
	began := time.Now()
	conns := make([]net.Conn, len(all))
	for i, user := range all {
		conns[i] = l.come(addr, quiet+user)
	}
	connected := time.Since(began)
	l.hears(all, true)
	came := l.logged(true, all)
	t.Logf("%d users connected in %v, and were online after %v, by %d transactions",
		len(all), connected.Round(time.Millisecond), time.Since(began).Round(time.Millisecond), came)
	leaving, reloading := all[:len(all)/2], all[len(all)/2:len(all)*6/10]
	for i := range len(leaving) + len(reloading) {
		conns[i].Close()
	}
	for _, user := range reloading {
		l.come(addr, quiet+user)
	}
	l.hears(leaving, false)
	went := l.logged(false, leaving)
	l.logged(true, all)
	t.Logf("%d users left, by %d transactions", len(leaving), went)
	// Each write holds all changes, and there are at most four a second, however long this took.
	if most := int(time.Since(began)/(250*time.Millisecond)) + 1; came > most || went > most {
		t.Errorf("%d and %d transactions for %d users, want at most %d", came, went, len(all), most)
	}
}
