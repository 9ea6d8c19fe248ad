// Package report collects the figures of a benchmark, takes their medians and ratios, and prints them
// as a table or as JSON. It also prints the progress of a benchmark.
package report

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"
)

// Report is the result of a benchmark.
type Report struct {
	Benchmark string            `json:"benchmark"`
	Machine   Machine           `json:"machine"`
	Settings  map[string]string `json:"settings"`
	Rounds    int               `json:"rounds"` // number of rounds, of which results are medians
	Columns   []Column          `json:"columns"`
	Results   []Result          `json:"results"`
	Notes     []string          `json:"notes"`
}

// Machine describes where the benchmark ran.
type Machine struct {
	Processor  string `json:"processor"`
	Processors int    `json:"processors"`
	ServerCPUs int    `json:"serverProcessors"` // reserved for the server; 0: it shares all
	Kernel     string `json:"kernel"`
	Postgres   string `json:"postgres"`
	Go         string `json:"go"`
	Pgherald   string `json:"pgherald"`
}

// Column describes one figure.
type Column struct {
	Key   string `json:"key"`
	Title string `json:"title"` // with the unit
	Ratio bool   `json:"ratio"` // whether to compare it with the other subjects
}

// Result holds the figures of one subject in one scenario.
type Result struct {
	Scenario   string                        `json:"scenario"`
	Subject    string                        `json:"subject"`
	Values     map[string]float64            `json:"values"`           // by column key; absent if unknown
	Ratios     map[string]map[string]float64 `json:"ratios,omitempty"` // pgherald's, by column key and other subject
	Bottleneck string                        `json:"bottleneck,omitempty"`
}

// WriteJSON prints the report as indented JSON.
func (r Report) WriteJSON(w io.Writer) error {
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	return e.Encode(r)
}

// WriteTable prints the report as text.
func (r Report) WriteTable(w io.Writer) error {
	m := r.Machine
	fmt.Fprintf(w, "%s: %s, %d processors (%s), Linux %s, PostgreSQL %s, %s, pgherald %s\n", r.Benchmark, m.Processor, m.Processors,
		placement(m.ServerCPUs), m.Kernel, m.Postgres, m.Go, m.Pgherald)
	for _, key := range slices.Sorted(maps.Keys(r.Settings)) {
		fmt.Fprintf(w, "  %s: %s\n", key, r.Settings[key])
	}
	fmt.Fprintf(w, "  medians of %d\n\n", r.Rounds)
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	head := []string{"scenario", "subject"}
	for _, c := range r.Columns {
		head = append(head, c.Title)
	}
	fmt.Fprintln(t, strings.Join(append(head, "bottleneck"), "\t")+"\t")
	for _, result := range r.Results {
		cells := []string{result.Scenario, result.Subject}
		for _, c := range r.Columns {
			v, ok := result.Values[c.Key]
			cells = append(cells, figure(v, ok))
		}
		fmt.Fprintln(t, strings.Join(append(cells, result.Bottleneck), "\t")+"\t")
	}
	if err := t.Flush(); err != nil {
		return fmt.Errorf("print the table: %w", err)
	}
	r.writeRatios(w)
	for _, note := range r.Notes {
		fmt.Fprintf(w, "* %s\n", note)
	}
	return nil
}

// writeRatios prints a line for each figure that has ratios.
func (r Report) writeRatios(w io.Writer) {
	fmt.Fprintln(w)
	for _, result := range r.Results {
		for _, c := range r.Columns {
			var parts []string
			for _, other := range slices.Sorted(maps.Keys(result.Ratios[c.Key])) {
				parts = append(parts, fmt.Sprintf("%s × %s", figure(result.Ratios[c.Key][other], true), other))
			}
			if len(parts) > 0 {
				fmt.Fprintf(w, "  %s, %s: %s\n", result.Scenario, c.Title, strings.Join(parts, ", "))
			}
		}
	}
	fmt.Fprintln(w)
}

func placement(serverCPUs int) string {
	if serverCPUs == 0 {
		return "shared by all"
	}
	return strconv.Itoa(serverCPUs) + " of them for the server alone"
}

// figure formats a value with three digits, and an unknown one as a dash.
func figure(v float64, known bool) string {
	switch {
	case !known:
		return "–"
	case v == math.Trunc(v) || math.Abs(v) >= 100:
		return strconv.FormatFloat(v, 'f', 0, 64)
	case math.Abs(v) >= 10:
		return strconv.FormatFloat(v, 'f', 1, 64)
	default:
		return strconv.FormatFloat(v, 'f', 2, 64)
	}
}
