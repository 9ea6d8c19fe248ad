package api

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgerrcode"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/puddle/v2"

	"github.com/pgherald/pgherald/api/admission"
	"github.com/pgherald/pgherald/api/auth"
)

// maxFieldErrors bounds an answer to a body that is wrong in a thousand places.
const maxFieldErrors = 20

// Problem is the body of every error (RFC 9457), and the error itself on its way there. What it
// says is for the client: nothing in it comes from the database, except names of constraints.
type Problem struct {
	Type     string       `json:"type"` // about:blank: the status says which kind it is
	Title    string       `json:"title"`
	Status   int          `json:"status"`
	Detail   string       `json:"detail,omitempty"`
	Instance string       `json:"instance,omitempty"` // the path that was asked for
	Code     string       `json:"code,omitempty"`     // which check of who asks failed, or which limit was reached
	Errors   []FieldError `json:"errors,omitempty"`

	RetryAfter time.Duration `json:"-"` // when to come again; the header of that name
}

// FieldError says what is wrong with one member of a body, or with one query parameter.
type FieldError struct {
	Field  string `json:"field"`
	Detail string `json:"detail"`
}

// Error returns what the client is told.
func (p *Problem) Error() string { return p.Detail }

// invalid is the problem of a body with wrong members.
func invalid(errs ...FieldError) *Problem { return badFields("", errs) }

// badParameter is the problem of one wrong query parameter.
func badParameter(name, detail string) *Problem {
	return badFields("query parameter ", []FieldError{{name, detail}})
}

func badFields(kind string, errs []FieldError) *Problem {
	errs = errs[:min(len(errs), maxFieldErrors)]
	var details []string
	for _, e := range errs {
		details = append(details, kind+e.Field+" "+e.Detail)
	}
	return &Problem{Status: http.StatusBadRequest, Detail: strings.Join(details, "; "), Errors: errs}
}

// writeProblem answers with what problemOf makes of err.
func writeProblem(w http.ResponseWriter, r *http.Request, err error) {
	p := *problemOf(err)
	p.Type, p.Title, p.Instance = "about:blank", http.StatusText(p.Status), r.URL.EscapedPath()
	h := w.Header()
	h.Set("Content-Type", "application/problem+json")
	h.Set("Cache-Control", "no-store")
	switch p.Status {
	case http.StatusUnauthorized:
		h.Set("WWW-Authenticate", "Bearer")
	case http.StatusServiceUnavailable:
		h.Set("Retry-After", "1") // a lost connection is made again at once, a lock is held for moments
	case http.StatusUnsupportedMediaType:
		h.Set("Accept", "application/json")
		h.Set("Accept-Encoding", "identity")
	}
	if p.RetryAfter > 0 {
		h.Set("Retry-After", strconv.Itoa(int(p.RetryAfter.Seconds())))
	}
	w.WriteHeader(p.Status)
	_ = json.NewEncoder(w).Encode(p) // nobody is left to tell if the client is gone
}

// problemOf is the one place that decides which status an error gets. What it does not know is
// our own mistake: a 500 without a word about the cause, which is for the log.
func problemOf(err error) *Problem {
	var problem *Problem
	var refused *auth.Error
	var full *admission.Rejection
	var tooLarge *http.MaxBytesError
	var connect *pgconn.ConnectError
	var pg *pgconn.PgError
	switch {
	case errors.As(err, &problem):
		return problem
	case errors.As(err, &refused):
		return &Problem{Status: refused.Status, Code: refused.Code, Detail: refused.Detail}
	case errors.As(err, &full):
		return &Problem{Status: full.Status, Code: "limit_" + string(full.Limit), Detail: full.Detail, RetryAfter: full.RetryAfter}
	case errors.As(err, &tooLarge):
		return bodyTooLarge(tooLarge.Limit)
	case errors.Is(err, context.Canceled):
		return unavailable("the request was cancelled")
	case errors.Is(err, context.DeadlineExceeded):
		return unavailable("the database did not answer in time: try again in a moment")
	case errors.As(err, &connect), errors.Is(err, puddle.ErrClosedPool):
		return unavailable("the database cannot be reached: try again in a moment")
	case errors.As(err, &pg):
		return problemOfPostgres(pg)
	case isDisconnect(err):
		return unavailable("the connection to the database broke: a change may or may not have been saved, look before you repeat it")
	default:
		return internalError()
	}
}

// problemOfPostgres tells apart whom an error of Postgres blames: the value that was sent, the
// other rows, the moment, or us.
func problemOfPostgres(pg *pgconn.PgError) *Problem {
	switch code := pg.Code; {
	case code == pgerrcode.UniqueViolation, code == pgerrcode.ExclusionViolation:
		return conflict(pg, "something with these values exists already")
	case code == pgerrcode.ForeignKeyViolation:
		return conflict(pg, "it refers to something that does not exist, or something still refers to it")
	case pgerrcode.IsIntegrityConstraintViolation(code), pgerrcode.IsDataException(code):
		return refusedValue(pg)
	case code == pgerrcode.SerializationFailure, code == pgerrcode.DeadlockDetected, code == pgerrcode.LockNotAvailable:
		return unavailable("someone else is changing the same thing: try again in a moment")
	case isOutage(code):
		return unavailable("the database cannot do this now: try again in a moment")
	case isRowSecurity(pg):
		return &Problem{Status: http.StatusForbidden, Code: "row_security", Detail: "a policy of the database does not let you write this"}
	default:
		return internalError()
	}
}

// isRowSecurity tells a policy that refuses a row, which the user is to know, from a right that our
// role was not given. Both have the same SQLSTATE, so it goes by who in Postgres says it.
func isRowSecurity(pg *pgconn.PgError) bool {
	return pg.Code == pgerrcode.InsufficientPrivilege && pg.Routine == "ExecWithCheckOptions"
}

// isOutage reports whether the same request may succeed later or on another server: Postgres
// starts, stops, is full, is a standby, or has given up for the time being.
func isOutage(code string) bool {
	return pgerrcode.IsConnectionException(code) ||
		pgerrcode.IsInsufficientResources(code) ||
		pgerrcode.IsOperatorIntervention(code) ||
		pgerrcode.IsSystemError(code) ||
		code == pgerrcode.ReadOnlySQLTransaction ||
		code == pgerrcode.ObjectNotInPrerequisiteState
}

// isDisconnect reports whether the connection to Postgres was lost, rather than not made.
func isDisconnect(err error) bool {
	var network net.Error
	return errors.As(err, &network) || pgconn.SafeToRetry(err) ||
		errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, net.ErrClosed)
}

func conflict(pg *pgconn.PgError, what string) *Problem {
	return &Problem{Status: http.StatusConflict, Detail: what + " (rule " + pg.ConstraintName + ")"}
}

// refusedValue is for values that passed our own checks and not the database's: someone has
// added a rule there, or its encoding cannot hold the text.
func refusedValue(pg *pgconn.PgError) *Problem {
	if field := constrainedField(pg); field != "" {
		return invalid(FieldError{field, "is not allowed by the rule " + pg.ConstraintName})
	}
	detail := "the database cannot store a value of the body"
	if pg.ConstraintName != "" {
		detail = "the body is not allowed by the rule " + pg.ConstraintName
	}
	return &Problem{Status: http.StatusBadRequest, Detail: detail}
}

// constrainedField names the member of a body that an error is about, or nothing. Postgres tells
// the column for a null alone; for a check we go by how it names them, table_column_check, and for a
// domain's by how we name those, activity_column.
func constrainedField(pg *pgconn.PgError) string {
	column := pg.ColumnName
	switch {
	case column != "":
	case pg.DataTypeName != "":
		column = strings.TrimPrefix(pg.DataTypeName, "activity_")
	default:
		column = strings.TrimPrefix(pg.ConstraintName, pg.TableName+"_")
	}
	for _, known := range []struct{ column, field string }{
		{"category", "category"}, {"subcategory", "subcategory"}, {"location", "location"},
		{"status", "status"}, {"reporter", "reporter"}, {"assignee_id", "assignedTo"},
		{"assigned_by", "assignedBy"}, {"notes", "notes"}, {"author_id", "authorId"},
		{"update_type", "updateType"},
	} {
		if column == known.column || strings.HasPrefix(column, known.column+"_") {
			return known.field
		}
	}
	return ""
}

func unavailable(detail string) *Problem {
	return &Problem{Status: http.StatusServiceUnavailable, Detail: detail}
}

func internalError() *Problem {
	return &Problem{Status: http.StatusInternalServerError, Detail: "something went wrong on our side; the server's log says what"}
}
