package bench

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/pgherald/pgherald/cmd/pgherald-bench/internal/process"
	"github.com/pgherald/pgherald/db"
)

// selects reads pages with bare SELECTs.
type selects struct {
	pool     *pgxpool.Pool // in the mode of the server's pools
	prepared *pgx.Conn
	limit    string
}

func openSelects(ctx context.Context, databaseURL string, limit int) (*selects, error) {
	config, err := db.ParsePooled(databaseURL, "pgherald-bench lists")
	if err != nil {
		return nil, fmt.Errorf("parse the database's URL: %w", err)
	}
	session, err := db.ParseSession(databaseURL, "pgherald-bench lists")
	if err != nil {
		return nil, fmt.Errorf("parse the database's URL: %w", err)
	}
	s := &selects{limit: " limit " + strconv.Itoa(limit)}
	if s.prepared, err = pgx.ConnectConfig(ctx, session); err != nil {
		return nil, fmt.Errorf("connect to the database: %w", err)
	}
	if s.pool, err = pgxpool.NewWithConfig(ctx, config); err != nil {
		_ = s.prepared.Close(ctx)
		return nil, fmt.Errorf("open a pool: %w", err)
	}
	return s, nil
}

func (s *selects) close() {
	s.pool.Close()
	_ = s.prepared.Close(context.Background())
}

// querier is a pool, a connection or a transaction.
type querier interface {
	Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error)
}

// rows returns the rows of a page.
func (s *selects) rows(ctx context.Context, from querier, c listCase) ([][]byte, error) {
	rows, err := from.Query(ctx, c.sql+s.limit, c.values...)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, func(row pgx.CollectableRow) ([]byte, error) { return bytes.Clone(row.RawValues()[0]), nil })
}

func (s *selects) read(ctx context.Context, c listCase) (int, error) {
	rows, err := s.rows(ctx, s.pool, c)
	return len(rows), err
}

func (s *selects) readPrepared(ctx context.Context, c listCase) (int, error) {
	rows, err := s.rows(ctx, s.prepared, c)
	return len(rows), err
}

func (s *selects) readWithCursor(ctx context.Context, c listCase) (n int, err error) {
	err = pgx.BeginTxFunc(ctx, s.pool, pgx.TxOptions{IsoLevel: pgx.RepeatableRead, AccessMode: pgx.ReadOnly}, func(tx pgx.Tx) error {
		var cursor string
		if err := tx.QueryRow(ctx, `select pgherald.cursor()`).Scan(&cursor); err != nil {
			return err
		}
		rows, err := s.rows(ctx, tx, c)
		n = len(rows)
		return err
	})
	return n, err
}

// listHandler configures runListHandler.
type listHandler struct {
	DatabaseURL string `json:"databaseURL"`
	Limit       int    `json:"limit"`
	Rows        int    `json:"rows"`
}

// runListHandler serves lists without a cursor by bare SELECTs, until its input ends.
func runListHandler(ctx context.Context, config string, in io.Reader, out io.Writer) error {
	var c listHandler
	if err := json.Unmarshal([]byte(config), &c); err != nil {
		return fmt.Errorf("read the configuration of the handler: %w", err)
	}
	ctx, cancel := process.UntilEOF(ctx, in)
	defer cancel()
	s, err := openSelects(ctx, c.DatabaseURL, c.Limit)
	if err != nil {
		return err
	}
	defer s.close()
	l, err := process.Listen(out)
	if err != nil {
		return err
	}
	server := &http.Server{Handler: s.handler(listCases(c.Rows)), ReadHeaderTimeout: time.Minute}
	var running sync.WaitGroup
	defer running.Wait()
	running.Go(func() { <-ctx.Done(); _ = server.Close() })
	if err := server.Serve(l); !errors.Is(err, http.ErrServerClosed) {
		cancel()
		return fmt.Errorf("serve: %w", err)
	}
	return nil
}

// handler answers like a list.
func (s *selects) handler(cases []listCase) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		query := r.URL.Query()
		for _, c := range cases {
			if params, _ := url.ParseQuery(c.params); params.Encode() != withoutLimit(query).Encode() {
				continue
			}
			rows, err := s.rows(r.Context(), s.pool, c)
			if err != nil {
				http.Error(w, err.Error(), http.StatusInternalServerError)
				return
			}
			writeRows(w, rows)
			return
		}
		http.NotFound(w, r)
	}
}

func writeRows(w http.ResponseWriter, rows [][]byte) {
	w.Header().Set("Content-Type", "application/json")
	_, _ = io.WriteString(w, `{"rows":[`)
	for i, row := range rows {
		if i > 0 {
			_, _ = io.WriteString(w, ",")
		}
		_, _ = w.Write(row)
	}
	_, _ = io.WriteString(w, "]}\n")
}

func withoutLimit(query url.Values) url.Values {
	query.Del("limit")
	return query
}

// httpReader returns a reader of pages at a URL, on one connection.
func httpReader(base string, limit int) listReader {
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 1}}
	return func(ctx context.Context, c listCase) (int, error) {
		target := base + "?limit=" + strconv.Itoa(limit)
		if c.params != "" {
			target += "&" + c.params
		}
		request, err := http.NewRequestWithContext(ctx, http.MethodGet, target, nil)
		if err != nil {
			return 0, err
		}
		response, err := client.Do(request)
		if err != nil {
			return 0, err
		}
		defer response.Body.Close()
		body, err := io.ReadAll(response.Body)
		if err != nil {
			return 0, err
		}
		if response.StatusCode != http.StatusOK {
			return 0, fmt.Errorf("it answered %s: %.300s", response.Status, body)
		}
		return countRows(body)
	}
}

// countRows counts the rows of an answer by what ends each of them: to decode it would take longer than to read it.
func countRows(body []byte) (int, error) {
	n := bytes.Count(body, []byte(`"note":"xxx`))
	if n == 0 && !json.Valid(body) {
		return 0, fmt.Errorf("no answer of a list: %.300s", body)
	}
	return n, nil
}
