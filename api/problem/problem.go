// Package problem answers requests with problem details (RFC 9457). It is the one place that maps
// an error to an HTTP status.
//
// It promises that a response says what the client can do, and contains no text of the database except the
// names of constraints. The cause is in the server's log.
package problem

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"math"
	"net"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/puddle/v2"

	"github.com/pgherald/pgherald/api/admission"
	"github.com/pgherald/pgherald/api/auth"
)

// maxFieldErrors bounds the number of invalid fields that a response lists.
const maxFieldErrors = 20

// Problem is a problem detail. It implements error, so that a handler can return it. The client reads all
// its texts.
type Problem struct {
	Type     string       `json:"type"` // always about:blank: the status says what kind of problem it is
	Title    string       `json:"title"`
	Status   int          `json:"status"`
	Detail   string       `json:"detail,omitempty"`
	Instance string       `json:"instance,omitempty"` // path of the request
	Code     string       `json:"code,omitempty"`     // for programs: the check that failed or the limit that was reached
	Errors   []FieldError `json:"errors,omitempty"`
	// Application holds the body of the application's refusal (--auth=forward): any JSON.
	Application json.RawMessage `json:"application,omitempty"`

	RetryAfter time.Duration `json:"-"` // value of the header Retry-After; 0 leaves it to Write
	IsExpected bool          `json:"-"` // the log already says why the server refuses such requests
	IsUnknown  bool          `json:"-"` // the request names a collection, field or type that is not known, and may be new
}

// FieldError says what is wrong with one member of a body or with one query parameter.
type FieldError struct {
	Field  string `json:"field"`
	Detail string `json:"detail"`
}

// Error returns the detail.
func (p *Problem) Error() string { return p.Detail }

// New returns a problem with a status and a detail.
func New(status int, detail string) *Problem { return &Problem{Status: status, Detail: detail} }

// InvalidFields returns the problem for a body with invalid members.
func InvalidFields(errs ...FieldError) *Problem { return invalid("", errs) }

// InvalidParameters returns the problem for a query string with invalid parameters.
func InvalidParameters(errs ...FieldError) *Problem { return invalid("query parameter ", errs) }

// InvalidParameter returns the problem for one invalid query parameter.
func InvalidParameter(name, detail string) *Problem {
	return InvalidParameters(FieldError{Field: name, Detail: detail})
}

// BodyTooLarge returns the problem for a body of more than limit bytes.
func BodyTooLarge(limit int64) *Problem {
	return New(http.StatusRequestEntityTooLarge, "the body is too large: at most "+strconv.FormatInt(limit, 10)+" bytes")
}

func invalid(prefix string, errs []FieldError) *Problem {
	errs = errs[:min(len(errs), maxFieldErrors)]
	details := make([]string, 0, len(errs))
	for _, e := range errs {
		details = append(details, prefix+e.Field+" "+e.Detail)
	}
	return &Problem{Status: http.StatusBadRequest, Detail: strings.Join(details, "; "), Errors: errs}
}

// poolFull is the error of a pool all of whose connections stayed in use. It has the name of the pool.
type poolFull interface {
	error
	PoolFull() string
}

// storeError is an error of the store of the edges.
type storeError interface {
	error
	IsOutage() bool // whether the same request may succeed later
	Public() string // for clients: without hosts
}

// Of returns the problem that describes err. For an error that it does not know, which is a bug of the server,
// it returns a 500 without the cause.
func Of(err error) *Problem {
	var problem *Problem
	var denied *auth.Error
	var rejected *admission.Rejection
	var tooLarge *http.MaxBytesError
	var connect *pgconn.ConnectError
	var pg *pgconn.PgError
	var full poolFull
	var store storeError
	switch {
	case errors.As(err, &problem):
		return problem
	case errors.As(err, &denied):
		return &Problem{Status: denied.Status, Code: denied.Code, Detail: denied.Detail, Application: denied.Application,
			RetryAfter: denied.RetryAfter, IsExpected: denied.IsExpected}
	case errors.As(err, &rejected):
		return &Problem{Status: rejected.Status, Code: "limit_" + string(rejected.Limit), Detail: rejected.Detail, RetryAfter: rejected.RetryAfter}
	case errors.As(err, &tooLarge):
		return BodyTooLarge(tooLarge.Limit)
	case errors.As(err, &full):
		return &Problem{Status: http.StatusServiceUnavailable, Code: "no_connection",
			Detail: "no connection to the database is free, because other requests use them: try again in a moment"}
	case errors.Is(err, context.Canceled):
		return unavailable("the request was cancelled")
	case errors.As(err, &store):
		return ofStore(store)
	case errors.Is(err, context.DeadlineExceeded):
		return unavailable("the database did not answer in time: try again in a moment")
	case errors.As(err, &connect), errors.Is(err, puddle.ErrClosedPool):
		return unavailable("the database cannot be reached: try again in a moment")
	case errors.As(err, &pg):
		return ofPostgres(pg)
	case isDisconnect(err):
		return unavailable("the connection to the database broke: a change may or may not have been saved, look before you repeat it")
	default:
		return internal()
	}
}

func ofStore(err storeError) *Problem {
	if !err.IsOutage() {
		return internal()
	}
	return unavailable(err.Public() + ": try again in a moment")
}

// isDisconnect reports whether an established connection to PostgreSQL was lost.
func isDisconnect(err error) bool {
	var network net.Error
	return errors.As(err, &network) || pgconn.SafeToRetry(err) || errors.Is(err, pgconn.ErrConnClosed) ||
		errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, net.ErrClosed)
}

func unavailable(detail string) *Problem { return New(http.StatusServiceUnavailable, detail) }

func internal() *Problem {
	return New(http.StatusInternalServerError, "the server made an error: its log has the cause")
}

// writeTimeout is how long a client may take to accept a problem, which is small. A client whose requests are refused must not
// occupy memory by not reading why.
const writeTimeout = 5 * time.Second

// RetrySeconds returns RetryAfter in whole seconds, as the header has it: not less than RetryAfter.
func (p *Problem) RetrySeconds() int { return int(math.Ceil(p.RetryAfter.Seconds())) }

// Write answers the request with the problem that Of returns for err.
func Write(w http.ResponseWriter, r *http.Request, err error) {
	p := *Of(err)
	p.Type, p.Title, p.Instance = "about:blank", http.StatusText(p.Status), r.URL.EscapedPath()
	h := w.Header()
	h.Set("Content-Type", "application/problem+json")
	h.Set("Cache-Control", "no-store")
	switch p.Status {
	case http.StatusUnauthorized:
		if p.Code == "session_required" { // the application's: no token helps
			break
		}
		h.Set("WWW-Authenticate", "Bearer")
	case http.StatusServiceUnavailable:
		h.Set("Retry-After", "1") // reconnecting to the database and waiting for a lock are short
	case http.StatusUnsupportedMediaType:
		h.Set("Accept", "application/json")
		h.Set("Accept-Encoding", "identity")
	}
	if p.RetryAfter > 0 {
		h.Set("Retry-After", strconv.Itoa(p.RetrySeconds()))
	}
	_ = http.NewResponseController(w).SetWriteDeadline(time.Now().Add(writeTimeout)) // a recorder has none
	w.WriteHeader(p.Status)
	_ = json.NewEncoder(w).Encode(p) // fails only if the client has gone
}

// Log logs an error that the client did not cause: at level warn if the same request may succeed later (503),
// otherwise at level error.
func Log(logger *slog.Logger, r *http.Request, err error) {
	p := Of(err)
	status := p.Status
	if status < http.StatusInternalServerError || p.IsExpected || errors.Is(err, context.Canceled) {
		return
	}
	level := slog.LevelError
	if status == http.StatusServiceUnavailable {
		level = slog.LevelWarn
	}
	logger.Log(r.Context(), level, "request failed",
		"method", r.Method, "path", r.URL.Path, "status", status, "error", err)
}

// Fail logs an error as Log does and answers the request with it as Write does.
func Fail(logger *slog.Logger, w http.ResponseWriter, r *http.Request, err error) {
	Log(logger, r, err)
	Write(w, r, err)
}

// Handler answers every request with the same problem.
func Handler(status int, detail string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { Write(w, r, New(status, detail)) })
}
