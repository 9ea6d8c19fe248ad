package bench

import (
	"errors"

	"github.com/pgherald/pgherald/cmd/pgherald-bench/internal/report"
)

// Latency measures the time from a write to the clients.
type Latency struct {
	Flags
	Timing
	Connections int      `default:"100" help:"Clients."`
	Rates       []int    `default:"50,1000,5000" help:"Rows per second, one measurement each. There is one writing connection for each 500 transactions."`
	Rows        int      `default:"1" help:"Rows of each transaction, which one INSERT writes."`
	EventBytes  int      `default:"300" help:"Size of an event on the wire."`
	ServerCPUs  int      `name:"server-cpus" default:"0" help:"Processors that are reserved for the server; 0: it shares all."`
	Subjects    []string `default:"listen,pgherald" help:"Servers to measure. listen: a hand-written net/http server with the row in the NOTIFY. edge: a server without a database, beside one with it and a relay; needs redis-server."`
}

// Validate reports values out of range and unknown subjects.
func (l *Latency) Validate() error {
	if l.Rows < 1 || l.Rows > 100_000 {
		return errors.New("--rows must be from 1 to 100000")
	}
	return errors.Join(checkOffers(l.Connections, l.Rates, l.EventBytes), checkSubjects(l.Subjects, ours, listenLoops, edge))
}

var latencyColumns = []report.Column{
	{Key: "written_per_s", Title: "writes/s"},
	{Key: "p50_ms", Title: "p50 ms", Ratio: true},
	{Key: "p90_ms", Title: "p90 ms", Ratio: true},
	{Key: "p99_ms", Title: "p99 ms", Ratio: true},
	{Key: "max_ms", Title: "max ms"},
	{Key: "last_p50_ms", Title: "last client p50 ms", Ratio: true},
	{Key: "last_p99_ms", Title: "p99 ms", Ratio: true},
	{Key: "us_per_delivery", Title: "CPU µs each", Ratio: true},
	{Key: "complete_percent", Title: "complete %"},
	{Key: "server_cpus", Title: "CPUs: server"},
	{Key: "load_cpus", Title: "load"},
	{Key: "postgres_cpus", Title: "Postgres"},
}

// Run measures all subjects and prints the report.
func (l *Latency) Run(app *App) error {
	return series{
		benchmark: "latency", connections: l.Connections, rates: l.Rates, duration: l.Duration, bytes: l.EventBytes, rows: l.Rows,
		serverCPUs: l.ServerCPUs, subjects: l.Subjects, columns: latencyColumns, scenario: "%d writes/s",
		note: "The time is from the row's insert, by the database's clock, until a client has read the event. It includes the trigger, the COMMIT and its flush, and with --rows the rest of the statement.",
	}.run(app, &l.Flags)
}
