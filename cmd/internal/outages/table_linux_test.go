package outages

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// measured holds the costs of one fault.
type measured struct {
	waits  []time.Duration // of each client, from the healing to the event written after it
	last   string          // the client that waited longest
	gap    time.Duration   // the longest time without events, of all clients without a filter
	warned bool            // whether a sync of the mode stale came during it
}

// table holds the costs of all faults, by kind.
type table struct {
	names []string
	costs map[string][]measured
}

func (t *table) add(name string, m measured) {
	if t.costs == nil {
		t.costs = make(map[string][]measured)
	}
	if t.costs[name] == nil {
		t.names = append(t.names, name)
	}
	t.costs[name] = append(t.costs[name], m)
}

// last describes the last fault of a kind.
func (t *table) last(name string) string {
	m := t.costs[name][len(t.costs[name])-1]
	if len(m.waits) == 0 {
		return "no client read"
	}
	return fmt.Sprintf("the last of %d clients, %s, waited %s; longest gap %s, warned: %t", len(m.waits), m.last, seconds(slices.Max(m.waits)), seconds(m.gap), m.warned)
}

// faults returns how many there were, of all kinds.
func (t *table) faults() (n int) {
	for _, costs := range t.costs {
		n += len(costs)
	}
	return n
}

// String returns the table in Markdown: a line for each kind, and the waits of all clients in all faults of it.
func (t *table) String() string {
	var out strings.Builder
	out.WriteString("| fault | times | first client | median | last client | longest gap |\n|---|---|---|---|---|---|\n")
	for _, name := range t.names {
		var waits []time.Duration
		var worst measured
		for _, m := range t.costs[name] {
			waits = append(waits, m.waits...)
			if m.gap > worst.gap {
				worst = m
			}
		}
		if len(waits) == 0 {
			continue
		}
		slices.Sort(waits)
		gap := seconds(worst.gap)
		if worst.warned {
			gap += ", warned"
		}
		fmt.Fprintf(&out, "| %s | %d | %s | %s | %s | %s |\n", name, len(t.costs[name]),
			seconds(waits[0]), seconds(waits[len(waits)/2]), seconds(waits[len(waits)-1]), gap)
	}
	return out.String()
}

func seconds(d time.Duration) string { return fmt.Sprintf("%.1f s", d.Seconds()) }
