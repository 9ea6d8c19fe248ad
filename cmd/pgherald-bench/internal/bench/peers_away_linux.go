package bench

import (
	"bufio"
	"context"
	"fmt"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/pgherald/pgherald/cmd/pgherald-bench/internal/writes"
)

// writerName is the application_name of the benchmark's writers, whose connections stay when those of a server end.
const writerName = "pgherald-bench writer"

// connectWriter connects a writer.
func (fx *fixture) connectWriter(ctx context.Context) (*pgx.Conn, error) {
	config, err := pgx.ParseConfig(fx.url)
	if err != nil {
		return nil, fmt.Errorf("parse the database's URL: %w", err)
	}
	config.RuntimeParams["application_name"] = writerName
	conn, err := pgx.ConnectConfig(ctx, config)
	if err != nil {
		return nil, fmt.Errorf("connect to publish: %w", err)
	}
	return conn, nil
}

// positionOfID returns the position after a line of a stream of SSE with ids.
func (s *subject) positionOfID(line, before string) string {
	if id, ok := strings.CutPrefix(line, "id:"); ok {
		return strings.TrimSpace(id)
	}
	return before
}

// resumeAfterID returns the request of a client that sends the last id.
func (s *subject) resumeAfterID(position string) (path, lastEventID string) { return s.path, position }

// follower is one client that notes which events it has received, and where it is.
type follower struct {
	s        *subject
	position string // empty: at the end
	seen     map[int64]bool
}

var numberInText = regexp.MustCompile(`"n" ?: ?(\d+)`)

// follow opens a stream, calls opened once it has begun, and reads until a number of events from first on is there, or none has
// come for the time of patience.
func (f *follower) follow(ctx context.Context, first int64, events int, patience time.Duration, opened func() error) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	path, id := f.s.path, ""
	if f.position != "" {
		path, id = f.s.resume(f.position)
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+f.s.addr+path, nil)
	if err != nil {
		return err
	}
	if id != "" {
		request.Header.Set("Last-Event-ID", id)
	}
	response, err := (&http.Client{Transport: &http.Transport{DisableKeepAlives: true}}).Do(request)
	if err != nil {
		return fmt.Errorf("open a stream of %s: %w", f.s.name, err)
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("open a stream of %s: it answered %s", f.s.name, response.Status)
	}
	if err := opened(); err != nil {
		return err
	}
	f.seen = make(map[int64]bool)
	idle := time.AfterFunc(patience, cancel)
	defer idle.Stop()
	lines := bufio.NewScanner(response.Body)
	lines.Buffer(nil, 64<<20)
	for len(f.seen) < events && lines.Scan() {
		f.position = f.s.position(lines.Text(), f.position)
		for _, found := range numberInText.FindAllStringSubmatch(lines.Text(), -1) {
			if n, err := strconv.ParseInt(found[1], 10, 64); err == nil && n >= first {
				f.seen[n] = true
				idle.Reset(patience)
			}
		}
	}
	return nil // what has not come, is lost
}

// away measures how much of what it missed a client receives that returns where it was.
func (p *Peers) away(fx *fixture, s *subject) (map[string]float64, string, error) {
	if s.resume == nil {
		fx.notes.Add("%s has no way to resume.", s.name)
		return map[string]float64{"received_percent": 0}, "none", nil
	}
	f := &follower{s: s}
	one := writes.Offer{First: fx.nextOffer(), Rate: float64(p.Rate), Duration: time.Minute, Bytes: p.EventBytes, Max: 1}
	err := f.follow(fx.ctx, one.First, 1, time.Minute, func() error { _, err := s.publish(fx.ctx, one); return err })
	if err != nil {
		return nil, "", err
	}
	if len(f.seen) == 0 {
		return nil, "", fmt.Errorf("read an event of %s: none has come", s.name)
	}
	missed := writes.Offer{First: fx.nextOffer(), Rate: 400, Duration: time.Minute, Bytes: p.EventBytes, Max: p.Missed}
	if _, err := s.publish(fx.ctx, missed); err != nil {
		return nil, "", err
	}
	if err := f.follow(fx.ctx, missed.First, p.Missed, fx.flags.Patience, func() error { return nil }); err != nil {
		return nil, "", err
	}
	return map[string]float64{"received_percent": 100 * float64(len(f.seen)) / float64(p.Missed)}, "none", nil
}

// disconnected measures what clients receive while PostgreSQL ends the connections of their server.
func (p *Peers) disconnected(fx *fixture, s *subject) (map[string]float64, string, error) {
	var ended int
	values, bottleneck, err := p.deliver(fx, s, p.Few, func(ctx context.Context) (err error) {
		ended, err = fx.endConnections(ctx)
		return err
	})
	if err == nil && ended == 0 {
		fx.notes.Add("%s holds no connection to PostgreSQL: a writer that ends between its COMMIT and its post loses the event.", s.name)
	}
	return values, bottleneck, err
}

// endConnections ends all connections to the fixture's database, except those of the benchmark.
func (fx *fixture) endConnections(ctx context.Context) (ended int, err error) {
	conn, err := fx.connectWriter(ctx) // the fixture's own connection is in use
	if err != nil {
		return 0, err
	}
	defer conn.Close(context.WithoutCancel(ctx))
	err = conn.QueryRow(ctx, `
		select count(pg_catalog.pg_terminate_backend(pid))
		from pg_catalog.pg_stat_activity
		where datname = current_database() and pid <> $1 and application_name <> $2`, int64(fx.conn.PgConn().PID()), writerName).Scan(&ended)
	if err != nil {
		return 0, fmt.Errorf("end the connections of the server: %w", err)
	}
	return ended, nil
}
