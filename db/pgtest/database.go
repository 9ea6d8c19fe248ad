package pgtest

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
)

const (
	maintenance = "postgres"
	template    = "pgherald_template"
)

// NewDatabase returns the URL of a fresh database on the shared server, with
// the schema that Main's setup made. It is dropped when the test ends, whoever
// is still connected.
func NewDatabase(t testing.TB) string {
	t.Helper()
	return sharedDatabase(t, (*Cluster).copyTemplate)
}

// EmptyDatabase is NewDatabase without the schema.
func EmptyDatabase(t testing.TB) string {
	t.Helper()
	return sharedDatabase(t, (*Cluster).copyEmpty)
}

// NewDatabase makes a database with the schema on this server.
func (c *Cluster) NewDatabase(t testing.TB) string {
	t.Helper()
	return c.database(t, (*Cluster).copyTemplate)
}

// EmptyDatabase makes a database without the schema on this server.
func (c *Cluster) EmptyDatabase(t testing.TB) string {
	t.Helper()
	return c.database(t, (*Cluster).copyEmpty)
}

func sharedDatabase(t testing.TB, create func(*Cluster, context.Context, string) error) string {
	t.Helper()
	c, err := theKit(t).sharedCluster()
	if err != nil {
		t.Fatal(err)
	}
	databaseURL := c.database(t, create)
	t.Cleanup(func() { c.drop(t, databaseURL) })
	return databaseURL
}

func (c *Cluster) database(t testing.TB, create func(*Cluster, context.Context, string) error) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	// One at a time: it is no faster otherwise, and the template's state
	// needs no lock of its own.
	c.mu.Lock()
	defer c.mu.Unlock()
	c.names++
	name := fmt.Sprintf("test_%d_%s", c.names, identifier(t.Name()))
	if err := create(c, ctx, name); err != nil {
		t.Fatal(err)
	}
	return c.server.URL(name)
}

func (c *Cluster) copyEmpty(ctx context.Context, name string) error {
	return c.admin(ctx, "create database "+name+" template template0")
}

func (c *Cluster) copyTemplate(ctx context.Context, name string) error {
	if c.template == templateAbsent {
		c.template, c.setupErr = templateReady, c.makeTemplate(ctx)
		if c.setupErr != nil {
			c.template = templateBroken
		}
	}
	if c.template == templateBroken {
		return c.setupErr
	}
	return c.admin(ctx, "create database "+name+" template "+template)
}

func (c *Cluster) makeTemplate(ctx context.Context) error {
	if err := c.copyEmpty(ctx, template); err != nil {
		return err
	}
	if c.setup == nil {
		return nil
	}
	if err := c.setup(ctx, c.server.URL(template)); err != nil {
		return fmt.Errorf("set up the template database: %w", err)
	}
	return nil
}

func (c *Cluster) drop(t testing.TB, databaseURL string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	config, err := pgx.ParseConfig(databaseURL)
	if err != nil {
		t.Error(err)
		return
	}
	if err := c.admin(ctx, "drop database "+config.Database+" with (force)"); err != nil {
		t.Error(err)
	}
}

// admin connects for every statement: a connection kept open would have to be
// brought back after each kill, and would be one more thing to close.
func (c *Cluster) admin(ctx context.Context, sql string) error {
	conn, err := pgx.Connect(ctx, c.server.URL(maintenance))
	if err != nil {
		return err
	}
	_, err = conn.Exec(ctx, sql)
	if err != nil {
		err = fmt.Errorf("run %q: %w", sql, err)
	}
	return errors.Join(err, conn.Close(ctx))
}

// identifier makes a test's name fit into a database's, so that a query in
// pg_stat_activity says whose it is.
func identifier(name string) string {
	name = strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= '0' && r <= '9' {
			return r
		}
		return '_'
	}, strings.ToLower(name))
	return name[:min(len(name), 40)]
}
