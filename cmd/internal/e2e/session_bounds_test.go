package e2e

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5/pgproto3"

	"github.com/pgherald/pgherald/db/pgtest"
)

// tap is a proxy that asks each session for its settings, between two statements of the program that uses it.
type tap struct {
	t      *testing.T
	target string

	mu       sync.Mutex
	sessions map[string]bool // application names seen, each with "in a transaction" or "idle"
	wrong    map[string]bool
}

// settingsOf lists what package bounds sets.
const settingsOf = `select pg_catalog.string_agg(s.name || '=' || s.setting, ' ' order by s.name) from pg_catalog.pg_settings as s
where s.name in ('idle_in_transaction_session_timeout', 'tcp_keepalives_idle', 'tcp_user_timeout', 'client_connection_check_interval')`

// TestSessionBounds runs a server through a tap. Every session that it opens sets the bounds of package bounds, whether it
// is idle or in a transaction: a new pool without them fails here.
func TestSessionBounds(t *testing.T) {
	t.Parallel()
	ctx := testContext(t)
	database := pgtest.EmptyDatabase(t)
	u, err := url.Parse(database)
	if err != nil {
		t.Fatal(err)
	}
	p := &tap{t: t, target: u.Host, sessions: map[string]bool{}, wrong: map[string]bool{}}
	u.Host = p.listen(ctx)
	n := newNode(u.String())
	t.Cleanup(func() { n.end(t) })
	startNodes(ctx, t, n)
	lines := openStream(ctx, t, n.at("/api/events?user=ann"))
	readTo(t, lines, `"sync"`)
	postJSON(ctx, t, n.at("/api/activities"), activity)
	readTo(t, lines, "activity_created")
	postJSON(ctx, t, n.at("/api/events"), `{"type":"x","data":{}}`)
	for _, path := range []string{"/api/activities", "/api/presence"} {
		if response := ask(ctx, t, n.at(path)); response.StatusCode != http.StatusOK {
			t.Errorf("%s: %s", path, response.Status)
		}
	}
	want := []string{"pgherald idle", "pgherald log idle", "pgherald listener idle", "pgherald probe idle", "pgherald migrate in a transaction",
		"pgherald in a transaction", "pgherald lists in a transaction", "pgherald writes in a transaction", "pgherald control in a transaction",
		"pgherald log in a transaction"}
	waitFor(ctx, t, fmt.Sprint(want), func() bool {
		p.mu.Lock()
		defer p.mu.Unlock()
		return !slices.ContainsFunc(want, func(name string) bool { return !p.sessions[name] })
	})
	p.mu.Lock()
	defer p.mu.Unlock()
	for text := range p.wrong {
		t.Error(text)
	}
}

func (p *tap) listen(ctx context.Context) string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		p.t.Fatal(err)
	}
	var running sync.WaitGroup
	running.Go(func() {
		for {
			client, err := l.Accept()
			if err != nil {
				return
			}
			running.Go(func() { p.serve(ctx, client) })
		}
	})
	p.t.Cleanup(running.Wait)
	p.t.Cleanup(func() { _ = l.Close() })
	return l.Addr().String()
}

// serve passes on one connection. The first message of a client has no type.
func (p *tap) serve(ctx context.Context, client net.Conn) {
	defer client.Close()
	server, err := (&net.Dialer{}).DialContext(ctx, "tcp", p.target)
	if err != nil {
		return
	}
	defer server.Close()
	defer context.AfterFunc(ctx, func() { _ = client.Close(); _ = server.Close() })()
	head := make([]byte, 4)
	if _, err := io.ReadFull(client, head); err != nil {
		return
	}
	start := make([]byte, binary.BigEndian.Uint32(head)-4)
	if _, err := io.ReadFull(client, start); err != nil {
		return
	}
	_, _ = server.Write(append(head, start...))
	s := &tapped{tap: p, client: client, server: server, name: startupValue(start, "application_name")}
	var both sync.WaitGroup
	both.Go(func() { s.fromClient(); _ = server.Close() })
	both.Go(func() { s.fromServer(); _ = client.Close() })
	both.Wait()
}

func startupValue(message []byte, name string) string {
	fields := bytes.Split(message[min(4, len(message)):], []byte{0})
	for i := 0; i+1 < len(fields); i += 2 {
		if string(fields[i]) == name {
			return string(fields[i+1])
		}
	}
	return "(no application name)"
}

// tapped is one connection. Its lock is held while a question is under way, so that no statement of the client runs then.
type tapped struct {
	tap            *tap
	client, server net.Conn
	name           string

	mu      sync.Mutex
	open    int // requests that the server has not answered
	queries int // statements of the client
	within  int // of them in the current transaction
}

func readMessage(r io.Reader) ([]byte, error) {
	head := make([]byte, 5)
	if _, err := io.ReadFull(r, head); err != nil {
		return nil, err
	}
	message := append(head, make([]byte, binary.BigEndian.Uint32(head[1:])-4)...)
	_, err := io.ReadFull(r, message[5:])
	return message, err
}

func (s *tapped) fromClient() {
	for {
		message, err := readMessage(s.client)
		if err != nil {
			return
		}
		s.mu.Lock()
		if message[0] == 'Q' || message[0] == 'S' { // simple query, sync: each has a ReadyForQuery
			s.open++
			s.queries++
		}
		_, err = s.server.Write(message)
		s.mu.Unlock()
		if err != nil {
			return
		}
	}
}

func (s *tapped) fromServer() {
	for {
		message, err := readMessage(s.server)
		if err != nil {
			return
		}
		if message[0] == 'Z' && !s.ready(message[5]) {
			return
		}
		if _, err := s.client.Write(message); err != nil {
			return
		}
	}
}

// ready asks for the settings if the client awaits no other answer. status is that of the transaction.
func (s *tapped) ready(status byte) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.open = max(0, s.open-1)
	if s.within++; status == 'I' {
		s.within = 0
	}
	// A command bounds its transaction with the statement after BEGIN, and a pool with the same one.
	isCommand := s.name == "pgherald" || s.name == "pgherald migrate"
	if s.open > 0 || status == 'E' || isCommand && s.within == 1 {
		return true
	}
	question, _ := (&pgproto3.Query{String: settingsOf}).Encode(nil)
	if _, err := s.server.Write(question); err != nil {
		return false
	}
	var settings string
	for {
		message, err := readMessage(s.server)
		if err != nil {
			return false
		}
		switch message[0] {
		case 'D':
			var row pgproto3.DataRow
			if row.Decode(message[5:]) == nil && len(row.Values) == 1 {
				settings = string(row.Values[0])
			}
		case 'A', 'N', 'S': // for the client: a notification, a notice, a parameter
			if _, err := s.client.Write(message); err != nil {
				return false
			}
		case 'Z':
			s.tap.seen(s.name, status == 'T', s.queries, settings)
			return true
		}
	}
}

// settled is the number of statements within which a new session must have its settings.
const settled = 6

func (p *tap) seen(name string, inTransaction bool, queries int, settings string) {
	state, want := "idle", "tcp_keepalives_idle=2"
	if inTransaction {
		state, want = "in a transaction", "idle_in_transaction_session_timeout=8000"
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	// The first transaction of a session sets its bounds; the connection of a command has only those of its transactions.
	ok := strings.Contains(settings, want) && strings.Contains(settings, "client_connection_check_interval=") || name == "pgherald" && !inTransaction
	switch {
	case ok || name == "pgherald migrate" && !inTransaction:
		p.sessions[name+" "+state] = true
	case queries > settled || !strings.HasPrefix(name, "pgherald"):
		p.wrong[fmt.Sprintf("%s, %s, after %d statements: %s", name, state, queries, settings)] = true
	}
}
