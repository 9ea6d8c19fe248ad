package bench

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
)

// serverStats is what we read of GET /api/stats.
type serverStats struct {
	Feed struct {
		CatchUps    uint64 `json:"catchUps"`
		Unannounced uint64 `json:"unannounced"`
		Limit       int64  `json:"limit"`
	} `json:"feed"`
	Listener struct {
		Leader struct {
			Terms uint64 `json:"terms"`
		} `json:"leader"`
	} `json:"listener"`
}

// stats asks a server how it is.
func (s *subject) stats(ctx context.Context) (stats serverStats, err error) {
	err = s.get(ctx, "/api/stats", func(body io.Reader) error { return json.NewDecoder(body).Decode(&stats) })
	return stats, err
}

// cursor asks a server where its stream is.
func (s *subject) cursor(ctx context.Context) (cursor string, err error) {
	err = s.get(ctx, s.path, func(body io.Reader) error {
		for lines := bufio.NewScanner(body); lines.Scan(); {
			if id, ok := strings.CutPrefix(lines.Text(), "id: "); ok {
				cursor = id
				return nil
			}
		}
		return errors.New("it has no id")
	})
	return cursor, err
}

func (s *subject) get(ctx context.Context, path string, read func(io.Reader) error) error {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+s.addr+path, nil)
	if err != nil {
		return err
	}
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	response, err := client.Do(request)
	if err != nil {
		return fmt.Errorf("ask %s: %w", s.name, err)
	}
	defer response.Body.Close()
	if err := read(response.Body); err != nil {
		return fmt.Errorf("read %s of %s: %w", path, s.name, err)
	}
	return nil
}

// transactions is how many the lab's database has had. A backend has surely reported all
// of its own when it has ended, so this waits until all have, our own among them.
func (l *lab) transactions() (n int64, err error) {
	ctx, cancel := context.WithTimeout(l.ctx, dropTimeout)
	defer cancel()
	if err := l.conn.Close(ctx); err != nil {
		return 0, fmt.Errorf("close the connection to the lab: %w", err)
	}
	conn, err := pgx.Connect(ctx, l.baseURL)
	if err != nil {
		return 0, fmt.Errorf("connect to the database: %w", err)
	}
	defer conn.Close(ctx)
	for others := 1; others > 0; {
		err := conn.QueryRow(ctx, `
			select count(*) filter (where a.pid is not null), max(d.xact_commit + d.xact_rollback)
			from pg_catalog.pg_stat_database as d
			left join pg_catalog.pg_stat_activity as a on a.datid = d.datid
			where d.datname = $1`, l.name).Scan(&others, &n)
		if err != nil {
			return 0, fmt.Errorf("count transactions: %w", err)
		}
		if others > 0 {
			pause(ctx, 20*time.Millisecond)
		}
	}
	if l.conn, err = pgx.Connect(ctx, l.url); err != nil {
		return 0, fmt.Errorf("connect to database %s: %w", l.name, err)
	}
	return n, nil
}
