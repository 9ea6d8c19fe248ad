package main

import (
	"errors"

	"github.com/pgherald/pgherald/cmd/internal/demo"
)

// demoCmd holds the flags of pgherald demo.
type demoCmd struct {
	DatabaseURL  string   `group:"database" secret:"url" env:"DATABASE_URL" placeholder:"URL" help:"Use this database instead of starting a PostgreSQL."`
	PgBin        string   `group:"database" type:"existingdir" env:"PGHERALD_PG_BIN" placeholder:"DIR" help:"Directory of the PostgreSQL programs to start. Default: the newest that is installed, or one from npm."`
	DataDir      string   `group:"database" env:"PGHERALD_DATA_DIR" placeholder:"DIR" help:"Directory that keeps the data between runs. Default: in the user's data directory."`
	Ephemeral    bool     `group:"database" env:"PGHERALD_EPHEMERAL" help:"Remove the data at the end."`
	Addr         string   `group:"listening" default:"${default_addr}" env:"PGHERALD_ADDR" placeholder:"ADDRESS" help:"Address to serve on (default ${default}). If its port is taken, the demo takes another one."`
	AllowedHosts []string `group:"listening" placeholder:"NAME" help:"Host names under which browsers may reach the demo on loopback, besides addresses and localhost; * permits all."`
	Simulate     float64  `default:"0.5" env:"PGHERALD_SIMULATE" placeholder:"N" help:"Simulated changes per second (default ${default}); 0 means none."`
}

// Validate returns an error for invalid flags. kong calls it.
func (c *demoCmd) Validate() error {
	if c.Simulate < 0 || c.Simulate > 1000 {
		return errors.New("--simulate must be from 0 to 1000")
	}
	if c.Ephemeral && c.DataDir != "" {
		return errors.New("--ephemeral removes the data and --data-dir keeps it: set only one of them")
	}
	return nil
}

// Run serves the demo until a signal arrives.
func (c *demoCmd) Run(a *app) error {
	return demo.Run(a.ctx, demo.Config{
		DatabaseURL: c.DatabaseURL, PgBin: c.PgBin, DataDir: c.DataDir, Ephemeral: c.Ephemeral, Addr: c.Addr,
		AllowedHosts: c.AllowedHosts, Rate: c.Simulate,
	}, demo.Options{Stdout: a.stdout, Stderr: a.stderr, Logger: a.logger, Level: a.level})
}
