package bench

import (
	"errors"
	"fmt"
	"slices"
)

// Fanout measures what a delivery costs.
type Fanout struct {
	Flags
	Timing
	Connections int      `default:"1000" help:"Clients."`
	Rates       []int    `default:"20,120,600" help:"Events per second that are offered, one measurement each. Times the connections, that is the deliveries; the last is meant to be more than a server can do."`
	EventBytes  int      `default:"300" help:"Size of an event on the wire."`
	ServerCPUs  int      `name:"server-cpus" default:"1" help:"Processors that the server has for itself; 0: it shares all."`
	Subjects    []string `default:"write,listen,pgherald" help:"What is measured: pgherald; write: a plain write(2) per event and socket, the floor without batching; listen: a hand-written net/http server, a goroutine and a channel per client, the row in NOTIFY."`
	Nchan       bool     `help:"Also measure nginx with the module nchan, if it is installed."`
}

// Validate is called by kong.
func (f *Fanout) Validate() error {
	return errors.Join(checkOffers(f.Connections, f.Rates, f.EventBytes), checkSubjects(f.Subjects, ours, plainWrites, listenLoops))
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
	if len(rates) == 0 || bytes < 200 || bytes > 7000 {
		return errors.New("--event-bytes must be from 200 to 7000 (a notification that holds the row cannot be larger), and there must be --rates")
	}
	return nil
}

func checkSubjects(names []string, known ...string) error {
	for _, name := range names {
		if !slices.Contains(known, name) {
			return fmt.Errorf("--subjects: %s is not known, %v are", name, known)
		}
	}
	return nil
}

var deliveryColumns = []Column{
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

// Run measures, in turns.
func (f *Fanout) Run(app *App) error {
	subjects := f.Subjects
	if f.Nchan {
		subjects = append(subjects, nchan)
	}
	const note = "write makes its events up itself and leaves out those for which there is no time; the others get each one through Postgres (nchan: by HTTP)."
	r := series{connections: f.Connections, rates: f.Rates, lasting: f.Duration, bytes: f.EventBytes, scenario: "%d events/s"}
	return r.run(app, &f.Flags, f.ServerCPUs, subjects, "fanout", note, deliveryColumns)
}
