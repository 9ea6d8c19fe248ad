package main

import (
	"errors"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"
)

// explainUsage adds to the error of a command line without a database where the URL may come from.
func explainUsage(err error) error {
	if text := err.Error(); strings.HasPrefix(text, "missing flags: ") && strings.Contains(text, "--database-url") {
		return fmt.Errorf("%w: set DATABASE_URL, the flag, or database-url in the file of --config", err)
	}
	return err
}

// explainConnection adds to the error of a connection which setting names the database.
func explainConnection(err error) error {
	var connect *pgconn.ConnectError
	var parse *pgconn.ParseConfigError
	if errors.As(err, &connect) || errors.As(err, &parse) {
		return fmt.Errorf("%w\nthe database is the one of DATABASE_URL or --database-url", err)
	}
	return err
}
