package bench

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"slices"
	"time"

	"github.com/pgherald/pgherald/cmd/pgherald-bench/internal/baseline"
	"github.com/pgherald/pgherald/cmd/pgherald-bench/internal/load"
	"github.com/pgherald/pgherald/cmd/pgherald-bench/internal/writes"
)

// App is the environment of a command.
type App struct {
	Ctx      context.Context
	Stdout   io.Writer // receives the report
	Stderr   io.Writer // receives the progress
	Terminal bool      // Stderr is a terminal
	Logger   *slog.Logger
}

// Flags are common to all benchmarks.
type Flags struct {
	DatabaseURL string        `env:"DATABASE_URL" placeholder:"URL" help:"A scratch server. The benchmark creates a database on it and drops it at the end."`
	Ephemeral   bool          `help:"Start a temporary PostgreSQL, as pgherald demo does, and delete its data at the end."`
	PgBin       string        `type:"existingdir" env:"PGHERALD_PG_BIN" placeholder:"DIR" help:"With --ephemeral: folder of PostgreSQL's programs."`
	Pgherald    string        `type:"existingfile" placeholder:"PATH" help:"Server program to measure. Default: the pgherald beside this program."`
	Yes         bool          `help:"Run although the database has tables. Its server will be under full load."`
	JSON        bool          `name:"json" help:"Print JSON instead of a table."`
	Rounds      int           `default:"3" help:"Number of rounds, in turns. The report shows medians."`
	Patience    time.Duration `default:"2s" help:"Time without an event after which those that are missing count as lost."`
	ServeArg    []string      `sep:"none" placeholder:"ARG" help:"Another argument for pgherald serve, like --serve-arg=--feed-bytes=256MiB; repeatable."`

	settings map[string]string // of the temporary PostgreSQL
}

// Validate reports flags that contradict each other.
func (f *Flags) Validate() error {
	switch {
	case f.Ephemeral && f.DatabaseURL != "":
		return errors.New("--ephemeral starts a PostgreSQL: it does not go with --database-url (or DATABASE_URL)")
	case !f.Ephemeral && f.DatabaseURL == "":
		return errors.New("name a scratch server with --database-url, or give --ephemeral")
	case f.Rounds < 1 || f.Rounds > 100:
		return errors.New("--rounds must be from 1 to 100")
	case f.Patience < time.Second || f.Patience > time.Hour:
		return errors.New("--patience must be from 1s to 1h")
	}
	return nil
}

// Timing bounds each measurement.
type Timing struct {
	Duration time.Duration `default:"10s" help:"Duration of the offer in each measurement."`
}

// Validate reports a duration out of range.
func (t *Timing) Validate() error {
	if t.Duration < 100*time.Millisecond || t.Duration > time.Hour {
		return errors.New("--duration must be from 100ms to 1h")
	}
	return nil
}

func checkOffers(connections int, rates []int, bytes int) error {
	if connections < 1 || connections > 1_000_000 {
		return errors.New("--connections must be from 1 to 1000000")
	}
	for _, r := range rates {
		if r < 1 || r > 100_000 {
			return errors.New("--rates must be from 1 to 100000")
		}
	}
	if len(rates) == 0 {
		return errors.New("--rates must name at least one rate")
	}
	if bytes < 200 || bytes > 7000 {
		return errors.New("--event-bytes must be from 200 to 7000: a notification with the row cannot be larger")
	}
	return nil
}

func checkSubjects(names []string, known ...string) error {
	for _, name := range names {
		if !slices.Contains(known, name) {
			return fmt.Errorf("--subjects: %s is unknown, give some of %v", name, known)
		}
	}
	return nil
}

// Child runs a child process of a benchmark, on standard input and output.
type Child struct {
	Role   string `arg:"" enum:"load,write,writers,listen,lists"`
	Config string `arg:"" help:"JSON."`
}

// Run runs until the standard input ends.
func (c Child) Run(app *App) error {
	switch c.Role {
	case "load":
		return load.Run(c.Config, os.Stdin, app.Stdout)
	case "write":
		return baseline.RunWrite(app.Ctx, os.Stdin, app.Stdout)
	case "writers":
		return writes.RunWriters(app.Ctx, c.Config, os.Stdin, app.Stdout)
	case "lists":
		return runListHandler(app.Ctx, c.Config, os.Stdin, app.Stdout)
	default:
		return baseline.RunListen(app.Ctx, c.Config, os.Stdin, app.Stdout)
	}
}
