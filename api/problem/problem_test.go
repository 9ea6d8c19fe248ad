package problem

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/puddle/v2"
)

func TestStatusOfErrors(t *testing.T) {
	secret := errors.New("select secret from vault")
	_, refused := pgconn.Connect(t.Context(), "postgres://127.0.0.1:1/x?connect_timeout=5")
	for _, tt := range []struct {
		name string
		err  error
		want int
	}{
		{"problem", &Problem{Status: 418}, 418},
		{"too large", &http.MaxBytesError{Limit: 7}, 413},
		{"cancelled", context.Canceled, 503},
		{"too slow", context.DeadlineExceeded, 503},
		{"no database", refused, 503},
		{"closed pool", puddle.ErrClosedPool, 503},
		{"end of connection", io.ErrUnexpectedEOF, 503},
		{"reset", &net.OpError{Op: "read", Err: syscall.ECONNRESET}, 503},
		{"closed while it waited for the answer", pgconn.ErrConnClosed, 503},
		{"unknown", secret, 500},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p := Of(fmt.Errorf("read activity: %w", tt.err))
			if p.Status != tt.want {
				t.Errorf("status is %d, want %d (%v)", p.Status, tt.want, tt.err)
			}
			if strings.Contains(p.Detail, "secret") {
				t.Errorf("the detail %q reveals the cause", p.Detail)
			}
		})
	}
}

// fullPool stands for db.NoConnectionError, which this package does not import.
type fullPool struct{ error }

func (fullPool) PoolFull() string { return "lists" }

// lostStore stands for an error of the store of the edges, of a package that this one does not import.
type lostStore struct {
	error
	isOutage bool
}

func (s lostStore) IsOutage() bool { return s.isOutage }
func (lostStore) Public() string   { return "the store of the edges answers READONLY" }
func (s lostStore) Unwrap() error  { return s.error }

func TestErrorsOfTheStore(t *testing.T) {
	for _, tt := range []struct {
		err  error
		want int
		text string
	}{
		{lostStore{errors.New("READONLY secret"), true}, 503, "the store of the edges answers READONLY: try again in a moment"},
		{lostStore{context.DeadlineExceeded, true}, 503, "the store of the edges answers READONLY: try again in a moment"},
		{lostStore{context.Canceled, false}, 503, "the request was cancelled"},
		{lostStore{errors.New("WRONGTYPE secret"), false}, 500, "the server made an error: its log has the cause"},
	} {
		if p := Of(fmt.Errorf("issue a ticket: %w", tt.err)); p.Status != tt.want || p.Detail != tt.text {
			t.Errorf("%v: %d %s", tt.err, p.Status, p.Detail)
		}
	}
	if text := Reason(fmt.Errorf("start: %w", lostStore{errors.New("dial 10.0.0.7"), true})); text != "the store of the edges answers READONLY" {
		t.Errorf("the reason is %q", text)
	}
}

// A full pool is no outage, although the wait for a connection ended with the context.
func TestFullPool(t *testing.T) {
	p := Of(fmt.Errorf("list: %w", fullPool{context.DeadlineExceeded}))
	if p.Status != http.StatusServiceUnavailable || p.Code != "no_connection" {
		t.Errorf("got %+v", p)
	}
}

func TestStatusOfPostgresErrors(t *testing.T) {
	for code, want := range map[string]int{
		"23505": 409, "23503": 409, "23P01": 409,
		"23502": 400, "23514": 400, "22001": 400, "22P02": 400, "22021": 400, "22P05": 400, "22008": 400,
		"40001": 503, "40P01": 503, "55P03": 503, "57014": 503, "57P01": 503, "57P03": 503,
		"53300": 503, "08006": 503, "25006": 503, "25P03": 503, "25P04": 503, "55000": 503, "58030": 503,
		"42601": 500, "42501": 500, "42P01": 500, "P0001": 500, "XX000": 500,
	} {
		pg := &pgconn.PgError{Code: code, Message: "secret", Detail: "secret", Where: "secret"}
		p := Of(fmt.Errorf("change activity: %w", pg))
		if p.Status != want {
			t.Errorf("%s has status %d, want %d", code, p.Status, want)
		}
		if p.Detail == "" || strings.Contains(p.Detail, "secret") {
			t.Errorf("%s: detail %q", code, p.Detail)
		}
	}
}

func TestWrite(t *testing.T) {
	w := httptest.NewRecorder()
	r := httptest.NewRequest(http.MethodPost, "/api/a%20b?c=d", nil)
	Write(w, r, fmt.Errorf("x: %w", InvalidFields(FieldError{"notes", "is required"}, FieldError{"status", "must not be null"})))
	want := map[string]any{
		"type": "about:blank", "title": "Bad Request", "status": 400.0, "instance": "/api/a%20b",
		"detail": "notes is required; status must not be null",
		"errors": []any{
			map[string]any{"field": "notes", "detail": "is required"},
			map[string]any{"field": "status", "detail": "must not be null"},
		},
	}
	var got map[string]any
	if err := json.Unmarshal(w.Body.Bytes(), &got); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("the body differs (-want +got):\n%s", diff)
	}
	if got := w.Header().Get("Content-Type"); w.Code != 400 || got != "application/problem+json" {
		t.Errorf("status %d, Content-Type %q", w.Code, got)
	}
}

func TestHeadersOfAProblem(t *testing.T) {
	for status, header := range map[int]string{503: "Retry-After", 415: "Accept"} {
		w := httptest.NewRecorder()
		Write(w, httptest.NewRequest(http.MethodGet, "/", nil), &Problem{Status: status})
		if w.Code != status || w.Header().Get(header) == "" {
			t.Errorf("status %d: response %d with %v", status, w.Code, w.Header())
		}
	}
}

func TestNumberOfFieldErrorsIsBounded(t *testing.T) {
	if got := len(InvalidFields(make([]FieldError, 1000)...).Errors); got != maxFieldErrors {
		t.Errorf("the problem has %d field errors, want %d", got, maxFieldErrors)
	}
}

func TestInvalidParameter(t *testing.T) {
	want := &Problem{
		Status: 400, Detail: "query parameter limit must be small",
		Errors: []FieldError{{"limit", "must be small"}},
	}
	if diff := cmp.Diff(want, InvalidParameter("limit", "must be small")); diff != "" {
		t.Error(diff)
	}
}
