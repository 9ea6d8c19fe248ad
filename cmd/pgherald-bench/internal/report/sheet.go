package report

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/pgherald/pgherald/cmd/pgherald-bench/internal/stats"
)

// Ours names the server under test in flags and reports. Its rows get ratios to the others.
const Ours = "pgherald"

// Sheet collects the figures of all rounds.
type Sheet struct {
	Columns []Column
	rows    []*row
}

type row struct {
	scenario, subject string
	values            map[string][]float64 // by column key, one value a round
	bottlenecks       []string             // one a round
}

// Put adds the figures of one round.
func (s *Sheet) Put(scenario, subject, bottleneck string, values map[string]float64) {
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

// Results returns the medians of all rounds, grouped by scenario in the order of the first round.
func (s *Sheet) Results() []Result {
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
			if r.subject == Ours {
				result.Ratios = s.ratios(r, rows)
			}
			results = append(results, result)
		}
	}
	return results
}

func (s *Sheet) scenarios() []string {
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
		if m := stats.Median(values); isFinite(m) {
			result.Values[key] = m
		}
	}
	slices.Sort(r.bottlenecks)
	result.Bottleneck = r.bottlenecks[len(r.bottlenecks)/2]
	return result
}

// ratios divides our figures by those of each other subject of the scenario. It takes the median of the
// rounds' ratios, not the ratio of medians, because the speed of a machine drifts from round to round.
func (s *Sheet) ratios(mine *row, rows []*row) map[string]map[string]float64 {
	ratios := make(map[string]map[string]float64)
	for _, c := range s.Columns {
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
			if m := stats.Median(each); isFinite(m) {
				ratios[c.Key][r.subject] = m
			}
		}
	}
	return ratios
}

func isFinite(v float64) bool { return !math.IsNaN(v) && !math.IsInf(v, 0) }

// Notes are the remarks that a reader needs to judge the figures. Each is kept once.
type Notes struct{ lines []string }

// Add adds a note, unless the same is there already.
func (n *Notes) Add(format string, args ...any) {
	if line := fmt.Sprintf(format, args...); !slices.Contains(n.lines, line) {
		n.lines = append(n.lines, line)
	}
}

// AddOnce adds a note about a topic, unless an earlier round has added one about it.
func (n *Notes) AddOnce(topic, format string, args ...any) {
	if !slices.ContainsFunc(n.lines, func(line string) bool { return strings.HasPrefix(line, topic+": ") }) {
		n.Add("%s: %s", topic, fmt.Sprintf(format, args...))
	}
}

// Lines returns the notes in the order in which they were added.
func (n *Notes) Lines() []string { return n.lines }
