package bench

import (
	"errors"
)

// Latency measures how long an event takes from the write to the clients.
type Latency struct {
	Flags
	Timing
	Connections int      `default:"100" help:"Clients."`
	Rates       []int    `default:"50,1000,5000" help:"Writes per second, one measurement each; there is a writing connection for each 500."`
	EventBytes  int      `default:"300" help:"Size of an event on the wire."`
	ServerCPUs  int      `name:"server-cpus" default:"0" help:"Processors that the server has for itself; 0: it shares all."`
	Subjects    []string `default:"listen,pgherald" help:"What is measured: pgherald; listen: a hand-written net/http server, the row in NOTIFY."`
}

// Validate is called by kong.
func (f *Latency) Validate() error {
	return errors.Join(checkOffers(f.Connections, f.Rates, f.EventBytes), checkSubjects(f.Subjects, ours, listenLoops))
}

var latencyColumns = []Column{
	{Key: "written_per_s", Title: "writes/s"},
	{Key: "p50_ms", Title: "p50 ms", Ratio: true},
	{Key: "p90_ms", Title: "p90 ms", Ratio: true},
	{Key: "p99_ms", Title: "p99 ms", Ratio: true},
	{Key: "max_ms", Title: "max ms"},
	{Key: "us_per_delivery", Title: "CPU µs each", Ratio: true},
	{Key: "complete_percent", Title: "complete %"},
	{Key: "server_cpus", Title: "CPUs: server"},
	{Key: "load_cpus", Title: "load"},
	{Key: "postgres_cpus", Title: "Postgres"},
}

// Run measures, in turns.
func (f *Latency) Run(app *App) error {
	const note = "The time is from the row's insert, by the database's clock, until a client has read the event: the trigger, the COMMIT and its flush are in it."
	r := series{connections: f.Connections, rates: f.Rates, lasting: f.Duration, bytes: f.EventBytes, scenario: "%d writes/s"}
	return r.run(app, &f.Flags, f.ServerCPUs, f.Subjects, "latency", note, latencyColumns)
}
