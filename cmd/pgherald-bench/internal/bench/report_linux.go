package bench

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"os/exec"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"
)

// Report is what a benchmark prints: as a table, or as this in JSON.
type Report struct {
	Benchmark string            `json:"benchmark"`
	Machine   Machine           `json:"machine"`
	Settings  map[string]string `json:"settings"`
	Rounds    int               `json:"rounds"` // medians of so many
	Columns   []Column          `json:"columns"`
	Results   []Result          `json:"results"`
	Notes     []string          `json:"notes"`
}

// Machine is where it ran.
type Machine struct {
	Processor  string `json:"processor"`
	Processors int    `json:"processors"`
	ServerCPUs int    `json:"serverProcessors"` // that only the server may use; 0: it shares all
	Kernel     string `json:"kernel"`
	Postgres   string `json:"postgres"`
	Go         string `json:"go"`
	Pgherald   string `json:"pgherald"`
}

// Column is one kind of figure.
type Column struct {
	Key   string `json:"key"`
	Title string `json:"title"` // with the unit
	Ratio bool   `json:"ratio"` // set in relation to the other subjects
}

// Result is a row: one subject in one scenario.
type Result struct {
	Scenario   string                        `json:"scenario"`
	Subject    string                        `json:"subject"`
	Values     map[string]float64            `json:"values"`           // by a column's key; absent if not known
	Ratios     map[string]map[string]float64 `json:"ratios,omitempty"` // pgherald's, by key and other subject
	Bottleneck string                        `json:"bottleneck,omitempty"`
}

// sheet collects the values of all rounds.
type sheet struct {
	columns []Column
	rows    []*row
}

type row struct {
	scenario, subject string
	values            map[string][]float64
	bottlenecks       []string
}

// put adds one round's figures of a subject in a scenario.
func (s *sheet) put(scenario, subject, bottleneck string, values map[string]float64) {
	i := slices.IndexFunc(s.rows, func(r *row) bool { return r.scenario == scenario && r.subject == subject })
	if i < 0 {
		i = len(s.rows)
		s.rows = append(s.rows, &row{scenario: scenario, subject: subject, values: make(map[string][]float64)})
	}
	r := s.rows[i]
	for key, v := range values {
		r.values[key] = append(r.values[key], v)
	}
	r.bottlenecks = append(r.bottlenecks, bottleneck)
}

// results are the medians, grouped by scenario in the order in which they were first measured.
func (s *sheet) results() []Result {
	var results []Result
	for _, scenario := range s.scenarios() {
		var rows []*row
		for _, r := range s.rows {
			if r.scenario == scenario {
				rows = append(rows, r)
			}
		}
		for _, r := range rows {
			result := r.result()
			if r.subject == ours {
				result.Ratios = s.ratios(r, rows)
			}
			results = append(results, result)
		}
	}
	return results
}

func (s *sheet) scenarios() []string {
	var names []string
	for _, r := range s.rows {
		if !slices.Contains(names, r.scenario) {
			names = append(names, r.scenario)
		}
	}
	return names
}

func (r *row) result() Result {
	result := Result{Scenario: r.scenario, Subject: r.subject, Values: make(map[string]float64)}
	for key, values := range r.values {
		if m := median(values); !math.IsNaN(m) && !math.IsInf(m, 0) {
			result.Values[key] = m
		}
	}
	slices.Sort(r.bottlenecks)
	result.Bottleneck = r.bottlenecks[len(r.bottlenecks)/2]
	return result
}

// ratios sets pgherald's figures in relation to the others' of its scenario: the median of the
// ratios of each round, as the hours of a machine differ.
func (s *sheet) ratios(mine *row, rows []*row) map[string]map[string]float64 {
	ratios := make(map[string]map[string]float64)
	for _, c := range s.columns {
		if !c.Ratio {
			continue
		}
		ratios[c.Key] = make(map[string]float64)
		for _, r := range rows {
			var each []float64
			for i := range min(len(mine.values[c.Key]), len(r.values[c.Key])) {
				if other := r.values[c.Key][i]; other != 0 && r != mine {
					each = append(each, mine.values[c.Key][i]/other)
				}
			}
			if m := median(each); !math.IsNaN(m) && !math.IsInf(m, 0) {
				ratios[c.Key][r.subject] = m
			}
		}
	}
	return ratios
}

// print ends a benchmark.
func (l *lab) print(name string, s *sheet, settings map[string]string) error {
	l.bar.finish()
	r := Report{
		Benchmark: name, Machine: l.machine(), Settings: settings, Rounds: l.flags.Rounds,
		Columns: s.columns, Results: s.results(), Notes: l.notes.lines,
	}
	if l.flags.JSON {
		e := json.NewEncoder(l.app.Stdout)
		e.SetIndent("", "  ")
		return e.Encode(r)
	}
	return r.table(l.app.Stdout)
}

func (l *lab) machine() Machine {
	var version string
	if err := l.conn.QueryRow(l.ctx, `select current_setting('server_version')`).Scan(&version); err != nil {
		version = "unknown"
	}
	return Machine{
		Processor: processorName(), Processors: runtime.NumCPU(), ServerCPUs: len(l.serverCPUs), Kernel: kernel(),
		Postgres: version, Go: runtime.Version(), Pgherald: serverVersion(l.ctx, l.server),
	}
}

// serverVersion returns what the measured binary prints as its version.
func serverVersion(ctx context.Context, path string) string {
	out, err := exec.CommandContext(ctx, path, "version").Output()
	if err != nil {
		return "unknown"
	}
	return strings.TrimPrefix(strings.TrimSpace(string(out)), "pgherald ")
}

// table prints it for people.
func (r Report) table(w io.Writer) error {
	m := r.Machine
	fmt.Fprintf(w, "%s: %s, %d processors (%s), Linux %s, PostgreSQL %s, %s, pgherald %s\n", r.Benchmark, m.Processor, m.Processors,
		placement(m.ServerCPUs), m.Kernel, m.Postgres, m.Go, m.Pgherald)
	for _, key := range slices.Sorted(mapKeys(r.Settings)) {
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
	r.printRatios(w)
	for _, note := range r.Notes {
		fmt.Fprintf(w, "* %s\n", note)
	}
	return nil
}

// printRatios prints a line for each figure that is set in relation.
func (r Report) printRatios(w io.Writer) {
	fmt.Fprintln(w)
	for _, result := range r.Results {
		for _, c := range r.Columns {
			var parts []string
			for _, other := range slices.Sorted(mapKeys(result.Ratios[c.Key])) {
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

// figure shows three digits, and a dash for what is not known.
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
