package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"

	"github.com/alecthomas/kong"
)

// description is the head of --help.
const description = `pgherald turns writes to PostgreSQL tables into Server-Sent Events.

To see it work, and to run it:

    pgherald demo
    pgherald serve --database-url=postgres://user:password@host/database

Where an environment variable is named behind a flag, it sets it, too.`

// cli is the command line: flags before environment variables before defaults.
type cli struct {
	LogFormat string     `enum:"auto,text,json" default:"auto" env:"PGHERALD_LOG_FORMAT" help:"Format of the log: text for people, json for machines, auto to choose by whether it goes to a terminal (${enum})."`
	LogLevel  slog.Level `default:"info" env:"PGHERALD_LOG_LEVEL" help:"What is logged, from this level up: debug, info, warn or error. A server with --admin-addr can be told another one while it runs."`

	Demo     demoCmd     `cmd:"" help:"Find or fetch a PostgreSQL, and show everything working on it."`
	Serve    serveCmd    `cmd:"" help:"Serve the stream of events, and the activities."`
	Migrate  migrateCmd  `cmd:"" help:"Create, remove or repair pgherald's tables."`
	Triggers triggersCmd `cmd:"" help:"Show, install, remove or check the triggers of watched tables."`
	Tail     tailCmd     `cmd:"" help:"Follow a stream in the terminal."`
	Version  versionCmd  `cmd:"" help:"Print the version."`
}

// app is what a command may use.
type app struct {
	ctx    context.Context
	stdout io.Writer
	stderr io.Writer
	logger *slog.Logger
	level  *slog.LevelVar // of the logger
}

// exit is thrown by kong's exit hook, as --help has no error to return.
type exit int

// run runs one command and returns the exit code: 0 if all is well, 1 for an error, 2 for a
// command line that makes no sense. It leaves nothing running.
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
	parser, err := kong.New(&c, kong.Name("pgherald"), kong.Description(description),
		kong.Writers(stdout, stderr), kong.Exit(func(code int) { panic(exit(code)) }),
		kong.ConfigureHelp(kong.HelpOptions{Compact: true, WrapUpperBound: 100}), kong.UsageOnError(),
		kong.BindTo(ctx, (*context.Context)(nil)))
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
	a.level.Set(c.LogLevel)
	a.logger = newLogger(stderr, c.LogFormat, a.level)
	if err := command.Run(a); err != nil && !errors.Is(err, context.Canceled) {
		fmt.Fprintf(stderr, "pgherald: %v\n", err)
		return 1
	}
	return 0
}

// versionCmd prints the version.
type versionCmd struct{}

func (versionCmd) Run(a *app) error {
	_, err := fmt.Fprintln(a.stdout, "pgherald", version())
	return err
}
