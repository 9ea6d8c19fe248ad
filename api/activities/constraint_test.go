package activities

import (
	"strings"
	"testing"

	"github.com/jackc/pgx/v5/pgconn"
)

func TestConstrainedField(t *testing.T) {
	for constraint, want := range map[string]string{
		"activities_category_check":         "category",
		"activities_subcategory_check":      "subcategory",
		"activities_status_known":           "status",
		"assignments_assignee_id_check":     "assignedTo",
		"activity_updates_author_id_check1": "authorId",
		"activities_created_at_check":       "",
		"my_rule":                           "",
		"":                                  "",
	} {
		table, _, _ := strings.Cut(constraint, "_")
		if strings.HasPrefix(constraint, "activity_updates") {
			table = "activity_updates"
		}
		got := constrainedField(&pgconn.PgError{Code: "23514", TableName: table, ConstraintName: constraint})
		if got != want {
			t.Errorf("%q: field %q, want %q", constraint, got, want)
		}
	}
	if got := constrainedField(&pgconn.PgError{Code: "23502", TableName: "activities", ColumnName: "location"}); got != "location" {
		t.Errorf("not null of location: field %q", got)
	}
	if got := constrainedField(&pgconn.PgError{Code: "23514", DataTypeName: "activity_location", ConstraintName: "my_rule"}); got != "location" {
		t.Errorf("domain of location: field %q", got)
	}
}
