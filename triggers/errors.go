package triggers

import (
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgtype"
)

// errNoLog is the answer where the migrations have not run; a const keeps it from being changed.
const errNoLog = constError("find the log pgherald.events: it does not exist; run `pgherald migrate up` first")

// errNotOneValue refuses an expression that is more than one, or asks for a parameter.
const errNotOneValue = constError("read expression: it must be one value, without parameters")

type constError string

func (e constError) Error() string { return string(e) }

// typeError says that an expression has another type than its place asks for.
type typeError struct {
	want, got uint32
}

func (e typeError) Error() string {
	m := pgtype.NewMap()
	got := fmt.Sprintf("the type with oid %d", e.got)
	if t, ok := m.TypeForOID(e.got); ok {
		got = sqlType(t.Name)
	}
	want := "text"
	if t, ok := m.TypeForOID(e.want); ok {
		want = sqlType(t.Name)
	}
	return fmt.Sprintf("read expression: it is %s, and must be %s", got, want)
}

// sqlType is what people call a type of pgx.
func sqlType(name string) string {
	switch {
	case name == "bool":
		return "boolean"
	case name != "" && name[0] == '_':
		return name[1:] + "[]"
	}
	return name
}

// said shows an error of Postgres as Postgres would: message, detail and hint.
type said struct {
	err *pgconn.PgError
}

func (s said) Error() string {
	text := s.err.Message
	if s.err.Detail != "" {
		text += " (detail: " + s.err.Detail + ")"
	}
	if s.err.Hint != "" {
		text += " (hint: " + s.err.Hint + ")"
	}
	return text
}

func (s said) Unwrap() error { return s.err }

// isCode says whether an error is Postgres's with this SQLSTATE.
func isCode(err error, code string) bool {
	var pgErr *pgconn.PgError
	return errors.As(err, &pgErr) && pgErr.Code == code
}
