package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"

	"github.com/alecthomas/kong"

	"github.com/pgherald/pgherald/cmd/internal/configfile"
	"github.com/pgherald/pgherald/cmd/internal/server"
)

// description is the head of --help.
const description = `pgherald turns writes to PostgreSQL tables into Server-Sent Events.

To try it, and to run it:

    pgherald demo
    DATABASE_URL=postgres://user:password@host/database pgherald serve

Settings come from flags, from the environment variables that --help names behind them, and from a YAML file (--config), in this order. The keys of the file are the names of the flags.`

// cli is the command line.
type cli struct {
	Log loggingFlags `embed:"" group:"logging"`

	Demo     demoCmd     `cmd:"" help:"Try pgherald on a PostgreSQL that it finds or downloads."`
	Serve    serveCmd    `cmd:"" help:"Serve events and the activities API."`
	Migrate  migrateCmd  `cmd:"" help:"Create, remove or repair pgherald's tables."`
	Triggers triggersCmd `cmd:"" help:"Show, install, remove or check the triggers of watched tables."`
	Tail     tailCmd     `cmd:"" help:"Follow a stream in the terminal."`
	Config   configCmd   `cmd:"" help:"Check or print the settings of a server."`
	Version  versionCmd  `cmd:"" help:"Print the version."`
}

// loggingFlags configure the log output on stderr.
type loggingFlags struct {
	LogFormat string     `enum:"auto,text,json" default:"auto" env:"PGHERALD_LOG_FORMAT" help:"Format of the log on stderr (${enum}): auto is text on a terminal and json elsewhere."`
	LogLevel  slog.Level `default:"info" env:"PGHERALD_LOG_LEVEL" placeholder:"LEVEL" help:"Lowest level to log: debug, info, warn or error. On --admin-addr, /log-level changes it while a server runs."`
}

// groups are the headings of --help, in this order.
var groups = []kong.Group{
	{Key: "database", Title: "Database"},
	{Key: "listening", Title: "Listening"},
	{Key: "tokens", Title: "Tokens"},
	{Key: "limits", Title: "Limits"},
	{Key: "log", Title: "Event log"},
	{Key: "tuning", Title: "Tuning"},
	{Key: "logging", Title: "Logging"},
}

// app holds what the commands receive from the process.
type app struct {
	ctx    context.Context
	stdout io.Writer
	stderr io.Writer
	logger *slog.Logger
	level  *slog.LevelVar // of logger
}

// exit is the value with which run panics when kong would end the program, as after --help. It holds the
// exit code.
type exit int

// newResolver returns the resolver for one command line.
func newResolver() *configfile.Resolver { return &configfile.Resolver{Command: "serve"} }

// newParser returns the parser of one command line into c.
func newParser(c any, settings *configfile.Resolver, options ...kong.Option) (*kong.Kong, error) {
	return kong.New(c, append([]kong.Option{
		kong.Name("pgherald"), kong.Description(description), kong.ExplicitGroups(groups), defaults(),
		settings.Option(), kong.Bind(settings), kong.ConfigureHelp(kong.HelpOptions{Compact: true, WrapUpperBound: 100}),
	}, options...)...)
}

// run runs one command and returns the exit code: 0 for success, 1 for an error, 2 for a wrong command line.
// When it returns, nothing of the command runs any more.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) (code int) {
	defer func() {
		switch r := recover().(type) {
		case nil:
		case exit:
			code = int(r)
		default:
			panic(r)
		}
	}()
	var c cli
	settings := newResolver()
	parser, err := newParser(&c, settings, kong.Writers(stdout, stderr), kong.Exit(func(code int) { panic(exit(code)) }))
	if err != nil {
		fmt.Fprintln(stderr, "pgherald:", err)
		return 1
	}
	command, err := parser.Parse(args)
	if err != nil {
		fmt.Fprintf(stderr, "pgherald: %v\n", err)
		return 2
	}
	a := &app{ctx: ctx, stdout: stdout, stderr: stderr, level: new(slog.LevelVar)}
	a.level.Set(c.Log.LogLevel)
	a.logger = server.NewLogger(stderr, c.Log.LogFormat, a.level)
	for _, name := range settings.SecretsInArguments(command) {
		a.logger.Warn("a secret is on the command line, where other users of this machine can read it: set the environment variable or a file instead", "flag", "--"+name)
	}
	if err := command.Run(a); err != nil && !errors.Is(err, context.Canceled) {
		fmt.Fprintf(stderr, "pgherald: %v\n", err)
		return 1
	}
	return 0
}

// versionCmd prints the version.
type versionCmd struct{}

// Run prints the version.
func (versionCmd) Run(a *app) error {
	_, err := fmt.Fprintln(a.stdout, "pgherald", server.Version())
	return err
}
