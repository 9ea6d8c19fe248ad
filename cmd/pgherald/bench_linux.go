package main

import "github.com/pgherald/pgherald/cmd/pgherald/internal/bench"

// benchCmd measures pgherald on this machine.
type benchCmd struct {
	Bulk    bench.Bulk    `cmd:"" help:"One statement that changes many rows, until all clients have all of it."`
	Fanout  bench.Fanout  `cmd:"" help:"What a delivery costs the server, and how late it is, at several rates."`
	Latency bench.Latency `cmd:"" help:"How long an event takes from the write to the clients, at several rates."`
	Memory  bench.Memory  `cmd:"" help:"What an idle connection costs."`
	Resume  bench.Resume  `cmd:"" help:"What it costs when all clients come back at once after a restart."`
	Writers bench.Writers `cmd:"" help:"What the triggers cost those who write."`

	Child bench.Child `cmd:"" hidden:"" help:"What the benchmarks start by themselves."`
}

func (a *app) bench() *bench.App {
	return &bench.App{Ctx: a.ctx, Stdout: a.stdout, Stderr: a.stderr, Terminal: isTerminal(a.stderr), Logger: a.logger, Version: version()}
}
