package main

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5/pgconn"
)

// TestMigrateDownNamesTheOrder checks the hint for triggers on tables of another role.
func TestMigrateDownNamesTheOrder(t *testing.T) {
	denied := fmt.Errorf("drop triggers: %w", &pgconn.PgError{Code: "42501", Message: "must be owner of relation messages"})
	if err := explainForeignTables(denied); !errors.Is(err, denied) || !strings.Contains(err.Error(), "pgherald drop --all as the owner") {
		t.Errorf("got %v", err)
	}
	for _, other := range []error{nil, errors.New("x"), &pgconn.PgError{Code: "55P03"}} {
		if got := explainForeignTables(other); got != other {
			t.Errorf("got %v, want %v", got, other)
		}
	}
}
