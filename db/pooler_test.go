package db_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/pgherald/pgherald/db"
)

func TestExplainSession(t *testing.T) {
	for code, advice := range map[string]string{
		"42P05": "pooler in transaction mode", "26000": "pooler in transaction mode", "08P01": "if the URL leads through a pooler",
		"42P01": "", "53300": "",
	} {
		err := fmt.Errorf("read the server's version: %w", &pgconn.PgError{Code: code})
		got := db.ExplainSession(err)
		if !strings.Contains(got.Error(), advice) || strings.Contains(got.Error(), "--listen-database-url") != (advice != "") || !errors.Is(got, err) {
			t.Errorf("%s: got %v", code, got)
		}
		if again := db.ExplainSession(got); again.Error() != got.Error() {
			t.Errorf("%s: the explanation comes twice: %v", code, again)
		}
	}
}
