package bench

import (
	"os"
	"runtime"
	"time"

	"github.com/pgherald/pgherald/cmd/pgherald-bench/internal/load"
	"github.com/pgherald/pgherald/cmd/pgherald-bench/internal/process"
)

// usage is the CPU time between two moments, by part of the benchmark.
type usage struct {
	elapsed, server, postgres, load, publisher time.Duration
	total, idle                                time.Duration // of all processors of the machine
}

// cpuTimes returns the CPU times up to now. The server and the clients may be nil.
func (fx *fixture) cpuTimes(s *subject, clients *load.Group) (u usage, at time.Time, err error) {
	if s != nil {
		if u.server, err = s.cpu(); err != nil {
			return u, at, s.process.Failure("measure", err)
		}
	}
	if clients != nil {
		u.load = clients.CPU()
	}
	if fx.postgres != 0 {
		u.postgres, _ = process.TreeCPU(fx.postgres) // if Postgres has ended, the next query says so
	}
	u.publisher, _ = process.CPU(os.Getpid())
	u.total, u.idle = process.MachineCPU()
	return u, time.Now(), nil
}

// since returns the difference of two CPU times, without elapsed.
func (u usage) since(before usage) usage {
	return usage{
		server: u.server - before.server, postgres: u.postgres - before.postgres, load: u.load - before.load,
		publisher: u.publisher - before.publisher, total: u.total - before.total, idle: u.idle - before.idle,
	}
}

// busy is the share of its processors from which on a part counts as the bottleneck.
const busy = 0.9

// bottleneck returns the part that had no processor time left: "server", "load", "publisher", "machine"
// (all processors were busy), or "none". loads is the number of load processes.
func (u usage) bottleneck(serverCPUs, loads int) string {
	if serverCPUs == 0 {
		serverCPUs = runtime.NumCPU()
	}
	share := func(used time.Duration, cpus int) float64 {
		return used.Seconds() / max(u.elapsed.Seconds(), 1e-6) / float64(cpus)
	}
	switch {
	case share(u.server, serverCPUs) >= busy:
		return "server"
	case share(u.load, loads) >= busy: // each is one thread
		return "load"
	case share(u.publisher, 1) >= busy:
		return "publisher"
	case u.total > 0 && float64(u.idle) < (1-busy)*float64(u.total)/2:
		return "machine"
	default:
		return "none"
	}
}

// largest names the part that used the most CPU time.
func (u usage) largest() string {
	most, name := u.server, "the server"
	known := u.server + u.postgres + u.load + u.publisher
	for _, other := range []struct {
		used time.Duration
		name string
	}{{u.postgres, "Postgres"}, {u.load, "the load"}, {u.publisher, "the publisher"}, {u.total - u.idle - known, "other programs on this machine"}} {
		if other.used > most {
			most, name = other.used, other.name
		}
	}
	return name
}

// noteBottleneck adds a note on what a bottleneck means for the figures.
func (fx *fixture) noteBottleneck(scenario, subject, bottleneck string, u usage) {
	switch bottleneck {
	case "load", "publisher":
		fx.notes.Add("%s, %s: the %s was the bottleneck, so the server could do more than this.", scenario, subject, bottleneck)
	case "machine":
		fx.notes.Add("%s, %s: all processors were busy, most of their time with %s: the rate is that of the machine with its load, the CPU time is the server's.",
			scenario, subject, u.largest())
	case "server":
		fx.notes.Add("%s, %s: the server was the bottleneck: this is its limit.", scenario, subject)
	}
}
