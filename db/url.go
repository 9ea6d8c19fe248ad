package db

import (
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/pgherald/pgherald/db/bounds"
)

// cacheCapacity is the number of statements that a connection remembers, which is pgx's default.
const cacheCapacity = 512

// ParseSession parses a URL for connections that keep a session: they prepare statements and keep settings
// and locks, so the URL must not lead through a pooler in transaction mode. name is the application name.
//
// The parameters of pgx in the URL (default_query_exec_mode, the capacities of its caches, pool_*) have no
// effect: one URL may serve pools and sessions, and each needs its own.
func ParseSession(url, name string) (*pgx.ConnConfig, error) {
	config, err := parseURL(url, name, pgx.QueryExecModeCacheStatement)
	if err != nil {
		return nil, err
	}
	return config.ConnConfig, nil
}

// ParsePooled parses a URL for connections that may lead through a pooler in transaction mode. Such a pooler
// gives each transaction another session, so a statement must not be prepared under a name. This mode
// remembers only the types of a statement's parameters and columns, and sends its text each time.
//
// The other modes that a pooler allows are not equal to it: without the types, pgx guesses them from the
// values, and the simple protocol puts the values into the text.
func ParsePooled(url, name string) (*pgxpool.Config, error) {
	return parseURL(url, name, pgx.QueryExecModeCacheDescribe)
}

// parseURL reads the URL as one of a pool, since otherwise pool_* would be sent to PostgreSQL, which refuses
// unknown settings.
func parseURL(url, name string, mode pgx.QueryExecMode) (*pgxpool.Config, error) {
	config, err := pgxpool.ParseConfig(url)
	if err != nil {
		return nil, err
	}
	config.MinConns, config.MinIdleConns = 0, 0
	config.BeforeClose = closeSoon
	c := config.ConnConfig
	if c.ConnectTimeout == 0 {
		c.ConnectTimeout = bounds.ConnectTimeout
	}
	c.DialFunc = bounds.DialWithin(c.ConnectTimeout)
	c.DefaultQueryExecMode = mode
	c.StatementCacheCapacity, c.DescriptionCacheCapacity = cacheCapacity, cacheCapacity
	c.RuntimeParams["application_name"] = name
	c.RuntimeParams["client_encoding"] = "UTF8"           // whatever the database's is: specs, requests and JSON are UTF-8
	c.RuntimeParams["standard_conforming_strings"] = "on" // our texts have no other escapes, and pgx refuses anything else
	return config, nil
}
