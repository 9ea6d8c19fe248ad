package bench

import (
	"errors"
	"time"
)

// Flags are common to all benchmarks.
type Flags struct {
	DatabaseURL string   `env:"DATABASE_URL" placeholder:"URL" help:"A scratch server: a database is made on it, and dropped in the end."`
	Ephemeral   bool     `help:"Start a PostgreSQL of its own, as demo does, and forget its data."`
	PgBin       string   `type:"existingdir" env:"PGHERALD_PG_BIN" placeholder:"DIR" help:"With --ephemeral: where PostgreSQL's programs are."`
	Yes         bool     `help:"Go on although the database has tables: its server will be under full load."`
	JSON        bool     `name:"json" help:"Print JSON, not a table."`
	Rounds      int      `default:"3" help:"How often all is measured, in turns; medians are shown."`
	Pgherald    string   `type:"existingfile" placeholder:"PATH" help:"Server binary to measure; the pgherald beside this program if not given."`
	ServeArg    []string `sep:"none" placeholder:"ARG" help:"Another argument for pgherald serve, as --serve-arg=--feed-bytes=256MiB; repeatable."`

	settings map[string]string // of a server that --ephemeral starts
}

// Validate is called by kong.
func (f *Flags) Validate() error {
	switch {
	case f.Ephemeral && f.DatabaseURL != "":
		return errors.New("--ephemeral starts a PostgreSQL: it does not go with --database-url (or DATABASE_URL)")
	case !f.Ephemeral && f.DatabaseURL == "":
		return errors.New("name a scratch server with --database-url, or give --ephemeral")
	case f.Rounds < 1 || f.Rounds > 100:
		return errors.New("--rounds must be from 1 to 100")
	}
	return nil
}

// Timing bounds each measurement.
type Timing struct {
	Duration time.Duration `default:"10s" help:"How long events are offered in each measurement."`
}

// Validate is called by kong.
func (t *Timing) Validate() error {
	if t.Duration < 100*time.Millisecond || t.Duration > time.Hour {
		return errors.New("--duration must be from 100ms to 1h")
	}
	return nil
}
