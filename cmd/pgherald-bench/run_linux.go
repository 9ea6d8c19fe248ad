package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"

	"github.com/alecthomas/kong"
	"github.com/lmittmann/tint"
	"golang.org/x/term"

	"github.com/pgherald/pgherald/cmd/pgherald-bench/internal/bench"
)

// description is the head of --help.
const description = `pgherald-bench measures pgherald beside baselines, on this machine and a scratch PostgreSQL.

It starts the server program itself, so both binaries must be built:

    make build
    bin/pgherald-bench latency --ephemeral`

// cli is the command line: flags before environment variables before defaults.
type cli struct {
	Bulk    bench.Bulk    `cmd:"" help:"Measure one statement that changes many rows, until every client has received all of them."`
	Edges   bench.Edges   `cmd:"" help:"Measure what servers cost PostgreSQL with a database each, and as edges, and how fast a relay copies the log."`
	Fanout  bench.Fanout  `cmd:"" help:"Measure the CPU time and the delay of a delivery, at several rates."`
	Latency bench.Latency `cmd:"" help:"Measure the time from a write to the clients, at several rates."`
	Lists   bench.Lists   `cmd:"" help:"Measure pages of a collection beside the same rows of a SELECT."`
	Memory  bench.Memory  `cmd:"" help:"Measure the memory of an idle connection."`
	Peers   bench.Peers   `cmd:"" help:"Measure other programs for the same purpose beside pgherald."`
	Resume  bench.Resume  `cmd:"" help:"Measure a restart after which all clients reconnect at once."`
	Size    bench.Size    `cmd:"" help:"Measure whether the log stays as large, and reads of it as fast, while it is written and pruned."`
	Writers bench.Writers `cmd:"" help:"Measure what the triggers cost writers."`

	Child bench.Child `cmd:"" hidden:"" help:"Run a child process of a benchmark."`
}

// exit carries the code of kong's exit hook out of Parse, as --help returns no error.
type exit int

// run runs one command and returns the exit code: 0 for success and after an interrupt, 1 for an error, 2
// for an invalid command line.
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
	parser, err := newParser(stdout, stderr, func(code int) { panic(exit(code)) })
	if err != nil {
		fmt.Fprintln(stderr, "pgherald-bench:", err)
		return 1
	}
	command, err := parser.Parse(args)
	if err != nil {
		fmt.Fprintf(stderr, "pgherald-bench: %v\n", err)
		return 2
	}
	terminal := isTerminal(stderr)
	logger := slog.New(tint.NewTextHandler(stderr, &tint.Options{TimeFormat: "15:04:05.000", NoColor: !terminal || os.Getenv("NO_COLOR") != ""}))
	app := &bench.App{Ctx: ctx, Stdout: stdout, Stderr: stderr, Terminal: terminal, Logger: logger}
	if err := command.Run(app); err != nil && (ctx.Err() == nil || !errors.Is(err, context.Canceled)) {
		fmt.Fprintf(stderr, "pgherald-bench: %v\n", err)
		return 1
	}
	return 0
}

// newParser returns the parser of the command line.
func newParser(stdout, stderr io.Writer, exit func(code int)) (*kong.Kong, error) {
	return kong.New(&cli{}, kong.Name("pgherald-bench"), kong.Description(description),
		kong.Writers(stdout, stderr), kong.Exit(exit),
		kong.ConfigureHelp(kong.HelpOptions{Compact: true, WrapUpperBound: 100}), kong.UsageOnError())
}

func isTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}
