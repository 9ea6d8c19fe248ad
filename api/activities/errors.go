package activities

import (
	"errors"
	"net/http"
	"strings"

	"github.com/jackc/pgerrcode"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/pgherald/pgherald/api/problem"
)

func errNoActivity() error {
	return problem.New(http.StatusNotFound, "there is no activity with this id")
}

func errNotAssigned() error {
	return problem.New(http.StatusNotFound, "this activity is not assigned to anyone")
}

// describe turns an error of PostgreSQL about a value or a conflict into a problem that uses the API's names. It
// returns any other error unchanged.
func describe(err error) error {
	var pg *pgconn.PgError
	switch {
	case !errors.As(err, &pg):
	case pg.Code == pgerrcode.ForeignKeyViolation:
		return conflict(pg, "it refers to something that does not exist, or something still refers to it")
	case problem.IsConflict(pg):
		return conflict(pg, "something with these values exists already")
	case problem.IsInvalidValue(pg):
		if field := constrainedField(pg); field != "" {
			return problem.InvalidFields(problem.FieldError{Field: field, Detail: "is not allowed by the rule " + pg.ConstraintName})
		}
	}
	return err
}

func conflict(pg *pgconn.PgError, detail string) error {
	return problem.New(http.StatusConflict, detail+" (rule "+pg.ConstraintName+")")
}

// constrainedField returns the member of a body that an error is about, or "" if it is not known. PostgreSQL names
// the column only for a violated NOT NULL. For other constraints the column follows from a name: that of a check
// constraint begins with table_column, that of a domain is activity_column.
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
