package bench

import (
	"fmt"
	"runtime"
	"slices"
	"strings"
	"time"
)

// notes are what a reader must know to judge the figures; each is said once.
type notes struct{ lines []string }

func (n *notes) add(format string, args ...any) {
	if line := fmt.Sprintf(format, args...); !slices.Contains(n.lines, line) {
		n.lines = append(n.lines, line)
	}
}

// about is add, but for what is said of each round: only the first is said.
func (n *notes) about(what, format string, args ...any) {
	if !slices.ContainsFunc(n.lines, func(line string) bool { return strings.HasPrefix(line, what+": ") }) {
		n.add("%s: %s", what, fmt.Sprintf(format, args...))
	}
}

// busy is the share of its processors from which on somebody counts as the bottleneck.
const busy = 0.9

// bottleneck says who had no processor time left: "server", "load", "publisher", "machine" (all
// processors were busy, whoever used them), or "none".
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

// who names the largest consumer beside the server, for when the machine is the bottleneck.
func (u usage) who() string {
	largest, name := u.server, "the server"
	ours := u.server + u.postgres + u.load + u.publisher
	for _, other := range []struct {
		used time.Duration
		name string
	}{{u.postgres, "Postgres"}, {u.load, "the load"}, {u.publisher, "the publisher"}, {u.total - u.idle - ours, "something else on this machine"}} {
		if other.used > largest {
			largest, name = other.used, other.name
		}
	}
	return name
}

// explain adds what a bottleneck means for a figure.
func (n *notes) explain(scenario, subject, bottleneck string, u usage) {
	switch bottleneck {
	case "load", "publisher":
		n.add("%s, %s: the %s was the bottleneck, so the server could do more than this.", scenario, subject, bottleneck)
	case "machine":
		n.add("%s, %s: all processors were busy, most of it with %s: take the rate as what this machine does together with its load, and the CPU time as the server's.",
			scenario, subject, u.who())
	case "server":
		n.add("%s, %s: the server was the bottleneck: this is its limit.", scenario, subject)
	}
}
