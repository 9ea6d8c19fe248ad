package pgtest

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/jackc/pgerrcode"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

const (
	maintenance = "postgres"
	template    = "pgherald_template"
)

// NewDatabase creates a database with the schema of Main's setup on the shared server, and returns its URL. When
// the test ends, the database is dropped and open connections to it are closed.
func NewDatabase(t testing.TB) string {
	t.Helper()
	return sharedDatabase(t, (*Cluster).copyTemplate)
}

// EmptyDatabase works like NewDatabase, but without the schema.
func EmptyDatabase(t testing.TB) string {
	t.Helper()
	return sharedDatabase(t, (*Cluster).copyEmpty)
}

// EncodedDatabase works like NewDatabase, but the database has the given encoding, such as WIN1252, and the
// locale C.
func EncodedDatabase(t testing.TB, encoding string) string {
	t.Helper()
	return sharedDatabase(t, func(c *Cluster, ctx context.Context, name string) error {
		err := c.admin(ctx, "create database "+name+" template template0 encoding '"+encoding+"' locale 'C'"+c.strategy)
		if err != nil || c.setup == nil {
			return err
		}
		return c.setup(ctx, c.server.URL(name))
	})
}

// NewDatabase creates a database with the schema on this server.
func (c *Cluster) NewDatabase(t testing.TB) string {
	t.Helper()
	return c.database(t, (*Cluster).copyTemplate)
}

// EmptyDatabase creates a database without the schema on this server.
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
	ctx, cancel := context.WithTimeout(context.Background(), stepTimeout)
	defer cancel()
	// Creating one at a time is as fast, and the lock also guards the state of the template.
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
	return c.admin(ctx, "create database "+name+" template template0"+c.strategy)
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
	return c.admin(ctx, "create database "+name+" template "+template+c.strategy)
}

// setupAttempts is how often the template is made. PostgreSQL ends transactions of pgherald in which nothing happens for some seconds,
// as on a machine that stands still: without a second attempt, that would fail every test of a package.
const setupAttempts = 3

func (c *Cluster) makeTemplate(ctx context.Context) (err error) {
	for range setupAttempts {
		if err = c.copyEmpty(ctx, template); err != nil || c.setup == nil {
			return err
		}
		if err = c.setup(ctx, c.server.URL(template)); err == nil {
			return nil
		}
		err = fmt.Errorf("set up the template database: %w", err)
		if pg := (*pgconn.PgError)(nil); !errors.As(err, &pg) || pg.Code != pgerrcode.IdleInTransactionSessionTimeout {
			return err
		}
		if dropErr := c.admin(ctx, "drop database "+template+" with (force)"); dropErr != nil {
			return errors.Join(err, dropErr)
		}
	}
	return err
}

func (c *Cluster) drop(t testing.TB, databaseURL string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), stepTimeout)
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

// admin runs a statement on a new connection: a permanent one would break at every kill.
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

// identifier turns a test's name into a part of a database name, so that pg_stat_activity shows which test runs
// a query.
func identifier(name string) string {
	name = strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= '0' && r <= '9' {
			return r
		}
		return '_'
	}, strings.ToLower(name))
	return name[:min(len(name), 40)]
}
