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

	Demo    demoCmd    `cmd:"" help:"Try pgherald on a PostgreSQL that it finds or downloads."`
	Serve   serveCmd   `cmd:"" help:"Serve events and the activities API."`
	Migrate migrateCmd `cmd:"" help:"Create, remove or repair pgherald's tables."`
	Init    initCmd    `cmd:"" help:"Write the spec that --tables implies, to start from."`
	Plan    planCmd    `cmd:"" help:"Print the SQL that apply would run. Exit code 2 if there is some."`
	Apply   applyCmd   `cmd:"" help:"Install the triggers of the spec, and remove its former ones."`
	Check   checkCmd   `cmd:"" help:"List how the triggers differ from the spec, and what is probably a mistake. Exit code 1 if they differ."`
	Drop    dropCmd    `cmd:"" help:"Remove the triggers of the spec. The event log stays."`
	List    listCmd    `cmd:"" help:"List the watched tables, and which spec watches each."`
	Types   typesCmd   `cmd:"" help:"Print types for the rows of collections: TypeScript, Go or JSON Schema."`
	Doctor  doctorCmd  `cmd:"" help:"Look for what keeps events from clients, in the database and in proxies. Exit code 1 after warnings, 2 after errors."`
	Tail    tailCmd    `cmd:"" help:"Follow a stream in the terminal."`
	Forward forwardCmd `cmd:"" help:"Send events to a service, at least once and in order per key."`
	Relay   relayCmd   `cmd:"" help:"Copy the log into a stream of Redis or Valkey, for edges."`
	Config  configCmd  `cmd:"" help:"Check or print the settings of a server."`

	Healthcheck healthcheckCmd `cmd:"" help:"Ask the server of this machine whether it is well. Exit code 1 if not."`
	Completion  completionCmd  `cmd:"" help:"Print the completions for a shell: bash, zsh or fish."`
	Man         manCmd         `cmd:"" help:"Print the manual page of a command, or write all."`
	Version     versionCmd     `cmd:"" help:"Print the version."`
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

// exitCode is an error that was reported already. It holds the exit code.
type exitCode int

func (c exitCode) Error() string { return fmt.Sprintf("exit with code %d", int(c)) }

// exitChanges is the exit code of plan if apply has something to do, exitUsage that of a wrong command line (EX_USAGE of
// sysexits.h): a script must not take the one for the other.
const (
	exitChanges exitCode = 2
	exitUsage   exitCode = 64
)

// newResolver returns the resolver for one command line.
func newResolver() *configfile.Resolver { return &configfile.Resolver{Command: "serve"} }

// newParser returns the parser of one command line into c.
func newParser(c any, settings *configfile.Resolver, options ...kong.Option) (*kong.Kong, error) {
	return kong.New(c, append([]kong.Option{
		kong.Name("pgherald"), kong.Description(description), kong.ExplicitGroups(groups), withDefaults(),
		settings.Option(), kong.Bind(settings), kong.ConfigureHelp(kong.HelpOptions{Compact: true, WrapUpperBound: 100}),
	}, options...)...)
}

// run runs one command and returns the exit code: 0 for success, 1 for an error, 64 for a wrong command line, and others
// for what the command says about them.
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
		fmt.Fprintf(stderr, "pgherald: %v\n", explainUsage(err))
		return int(exitUsage)
	}
	a := &app{ctx: ctx, stdout: stdout, stderr: stderr, level: new(slog.LevelVar)}
	a.level.Set(c.Log.LogLevel)
	a.logger = server.NewLogger(stderr, c.Log.LogFormat, a.level)
	for _, name := range settings.SecretsInArguments(command) {
		a.logger.Warn("a secret is on the command line, where other users of this machine can read it: set the environment variable or a file instead", "flag", "--"+name)
	}
	var reported exitCode
	if err := command.Run(a); errors.As(err, &reported) {
		return int(reported)
	} else if err != nil && !errors.Is(err, context.Canceled) {
		fmt.Fprintf(stderr, "pgherald: %v\n", explainConnection(err))
		return 1
	}
	return 0
}
