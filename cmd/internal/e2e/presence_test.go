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

// presenceTest opens streams of many users and watches their presence on a stream of its own.
type presenceTest struct {
	*testing.T
	ctx    context.Context
	conn   *pgx.Conn
	stream *bufio.Scanner  // of presence events
	online map[string]bool // by user: the last presence event
}

// newPresenceTest opens the stream of presence at the server with an address.
func newPresenceTest(t *testing.T, databaseURL, addr string) *presenceTest {
	t.Helper()
	ctx := testContext(t)
	p := &presenceTest{T: t, ctx: ctx, conn: pgtest.Connect(t, databaseURL), online: make(map[string]bool)}
	conn := p.open(addr, "types=presence_updated")
	response, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil || response.StatusCode != http.StatusOK {
		t.Fatalf("%v %v", response, err)
	}
	p.stream = bufio.NewScanner(response.Body)
	return p
}

// open opens a stream and reads nothing from it.
func (p *presenceTest) open(addr, query string) net.Conn {
	p.Helper()
	conn, err := (&net.Dialer{}).DialContext(p.ctx, "tcp", addr)
	if err != nil {
		p.Fatal(err)
	}
	p.Cleanup(func() { conn.Close() })
	deadline, _ := p.ctx.Deadline()
	_ = conn.SetDeadline(deadline)
	if _, err := fmt.Fprintf(conn, "GET /api/events?%s HTTP/1.1\r\nHost: localhost\r\n\r\n", query); err != nil {
		p.Fatal(err)
	}
	return conn
}

// awaitPresence reads the stream until the last event of each user is the wanted one.
func (p *presenceTest) awaitPresence(users []string, online bool) {
	p.Helper()
	missing := make(map[string]bool)
	for _, user := range users {
		if last, ok := p.online[user]; !ok || last != online {
			missing[user] = true
		}
	}
	for len(missing) > 0 && p.stream.Scan() {
		text, isData := strings.CutPrefix(p.stream.Text(), "data: ")
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
			p.Fatal(err)
		}
		if e.Type != "presence_updated" {
			continue
		}
		user := e.Data.UserID
		p.online[user] = e.Data.IsOnline
		if delete(missing, user); e.Data.IsOnline != online {
			p.Fatalf("the presence of %s is %t", user, e.Data.IsOnline)
		}
	}
	if len(missing) > 0 {
		p.Fatalf("no presence event of %d users: %v", len(missing), p.stream.Err())
	}
}

// checkLog checks that the log has one event for each occurrence in users, and returns the number of their
// transactions.
func (p *presenceTest) checkLog(online bool, users []string) (transactions int) {
	p.Helper()
	const sql = `
select e.key, count(*), (
    select count(distinct o.xid::text) from pgherald.events as o
    where o.type = 'presence_updated' and (o.data ->> 'isOnline')::boolean = $1
)
from pgherald.events as e
where e.type = 'presence_updated' and (e.data ->> 'isOnline')::boolean = $1
group by e.key`
	rows, err := p.conn.Query(p.ctx, sql, online)
	if err != nil {
		p.Fatal(err)
	}
	got, want := make(map[string]int), make(map[string]int)
	var user string
	var times int
	_, err = pgx.ForEachRow(rows, []any{&user, &times, &transactions}, func() error { got[user] = times; return nil })
	if err != nil {
		p.Fatal(err)
	}
	for _, user := range users {
		want[user]++
	}
	if diff := cmp.Diff(want, got); diff != "" {
		p.Errorf("events with isOnline = %t by user (-want +got):\n%s", online, diff)
	}
	return transactions
}

func userNames(kind string, n int) (users []string) {
	for i := range n {
		users = append(users, fmt.Sprint(kind, "-", i))
	}
	return users
}

// TestPresenceExpiresWithAReplica kills a replica with users. The other replica expires them, once each, but
// not users who have a stream there too. A user who opens a stream there joins again.
func TestPresenceExpiresWithAReplica(t *testing.T) {
	t.Parallel()
	url := pgtest.NewDatabase(t)
	binary := buildProgram(t)
	killed, killedURL := serveProgram(t, binary, url)
	_, survivorURL := serveProgram(t, binary, url)
	killedAddr, addr := strings.TrimPrefix(killedURL, "http://"), strings.TrimPrefix(survivorURL, "http://")
	p := newPresenceTest(t, url, addr)
	alone, both := userNames("alone", 40), userNames("both", 10)
	for _, user := range alone {
		p.open(killedAddr, "user="+user)
	}
	for _, user := range both {
		p.open(killedAddr, "user="+user)
		p.open(addr, "user="+user)
	}
	p.awaitPresence(slices.Concat(alone, both), true)
	p.awaitRows(60)
	p.checkLog(false, nil)
	killed.signal(t, syscall.SIGKILL)
	<-killed.ended
	began := time.Now() // a replica expires when another one has seen no sign of life for 35 s
	p.awaitPresence(alone, false)
	t.Logf("its users expired after %v", time.Since(began).Round(time.Millisecond))
	p.open(addr, "user="+alone[0])
	p.awaitPresence(alone[:1], true)
	p.checkLog(false, alone)
	p.checkLog(true, append(slices.Concat(alone, both), alone[0]))
	p.awaitRows(11)
}

// awaitRows waits until the table of presence has a number of rows.
func (p *presenceTest) awaitRows(want int) {
	p.Helper()
	for got := -1; got != want; {
		if err := p.conn.QueryRow(p.ctx, `select count(*) from pgherald.presence`).Scan(&got); err != nil {
			p.Fatalf("%d rows, want %d: %v", got, want, err)
		}
		pause(p.ctx, 10*time.Millisecond)
	}
}

var presenceUsers = flag.Int("presence.users", 500, "users of TestPresenceOfManyUsers")

// TestPresenceOfManyUsers connects users, as many as the process may open files for at most. Some of them
// reload and half of them leave. The log has one event for each change, in few transactions.
func TestPresenceOfManyUsers(t *testing.T) {
	t.Parallel()
	url := pgtest.NewDatabase(t)
	_, at := serveProgram(t, buildProgram(t), url)
	addr := strings.TrimPrefix(at, "http://")
	p := newPresenceTest(t, url, addr)
	n := *presenceUsers
	if files := server.MaxFiles(); files > 0 {
		n = min(n, files/2)
	}
	all := userNames("user", n)
	const quiet = "types=activity_deleted&user=" // without presence events: n² deliveries
	began := time.Now()
	conns := make([]net.Conn, len(all))
	for i, user := range all {
		conns[i] = p.open(addr, quiet+user)
	}
	connected := time.Since(began)
	p.awaitPresence(all, true)
	joined := p.checkLog(true, all)
	t.Logf("%d users connected in %v and were online after %v, in %d transactions",
		len(all), connected.Round(time.Millisecond), time.Since(began).Round(time.Millisecond), joined)
	leaving, reloading := all[:len(all)/2], all[len(all)/2:len(all)*6/10]
	for i := range leaving {
		conns[i].Close()
	}
	for i, user := range reloading {
		conns[len(leaving)+i].Close()
		p.open(addr, quiet+user)
	}
	p.awaitPresence(leaving, false)
	left := p.checkLog(false, leaving)
	p.checkLog(true, all)
	t.Logf("%d users left, in %d transactions", len(leaving), left)
	// A transaction holds all changes since the last one, and there are at most four in a second.
	if limit := int(time.Since(began)/(250*time.Millisecond)) + 1; joined > limit || left > limit {
		t.Errorf("%d and %d transactions for %d users, want at most %d each", joined, left, len(all), limit)
	}
}
