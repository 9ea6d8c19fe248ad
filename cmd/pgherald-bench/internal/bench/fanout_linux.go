package bench

import (
	"errors"

	"github.com/pgherald/pgherald/cmd/pgherald-bench/internal/report"
)

// Fanout measures the server's CPU time for each delivery, and the delay of deliveries.
type Fanout struct {
	Flags
	Timing
	Connections int      `default:"1000" help:"Clients."`
	Rates       []int    `default:"20,120,600" help:"Offered events per second, one measurement each. Each event is one delivery per client. The last rate is meant to be more than a server can do."`
	EventBytes  int      `default:"300" help:"Size of an event on the wire."`
	ServerCPUs  int      `name:"server-cpus" default:"1" help:"Processors that are reserved for the server; 0: it shares all."`
	Subjects    []string `default:"write,listen,pgherald" help:"Servers to measure. write: a plain write(2) per event and socket, the floor without batching. listen: a hand-written net/http server with a goroutine and a channel per client, and the row in the NOTIFY. gzip: pgherald with --compress, and clients that decompress."`
	Nchan       bool     `help:"Also measure nginx with the module nchan, if it is installed."`
}

// Validate reports values out of range and unknown subjects.
func (f *Fanout) Validate() error {
	return errors.Join(checkOffers(f.Connections, f.Rates, f.EventBytes), checkSubjects(f.Subjects, ours, compressed, plainWrites, listenLoops))
}

var fanoutColumns = []report.Column{
	{Key: "offered_per_s", Title: "offered/s"},
	{Key: "delivered_per_s", Title: "delivered/s", Ratio: true},
	{Key: "us_per_delivery", Title: "CPU µs each", Ratio: true},
	{Key: "per_cpu_second", Title: "per CPU s", Ratio: true},
	{Key: "p50_ms", Title: "p50 ms", Ratio: true},
	{Key: "p99_ms", Title: "p99 ms", Ratio: true},
	{Key: "spread_p50_ms", Title: "first–last p50 ms"},
	{Key: "spread_p99_ms", Title: "p99 ms"},
	{Key: "complete_percent", Title: "complete %"},
	{Key: "bytes_per_delivery", Title: "bytes"},
	{Key: "server_cpus", Title: "CPUs: server"},
	{Key: "load_cpus", Title: "load"},
	{Key: "postgres_cpus", Title: "Postgres"},
}

// Run measures all subjects and prints the report.
func (f *Fanout) Run(app *App) error {
	subjects := f.Subjects
	if f.Nchan {
		subjects = append(subjects, nchan)
	}
	return series{
		benchmark: "fanout", connections: f.Connections, rates: f.Rates, duration: f.Duration, bytes: f.EventBytes,
		serverCPUs: f.ServerCPUs, subjects: subjects, columns: fanoutColumns, scenario: "%d events/s",
		note: "write makes up its events itself and skips those that it has no time for. The others receive each event through Postgres, nchan over HTTP.",
	}.run(app, &f.Flags)
}
