// Package doctor looks for what keeps events from clients: in the database, and in the proxies before a server. It changes
// nothing, and each finding says what it means and what to do.
package doctor

import (
	"encoding/json"
	"fmt"
	"io"
)

// Level orders findings. It is also the exit code of a run whose worst finding has it.
type Level int

// The levels.
const (
	Fine Level = iota
	Warning
	Error
)

// String returns the word in front of a finding.
func (l Level) String() string { return [...]string{"ok", "warning", "error"}[l] }

// MarshalText writes the word.
func (l Level) MarshalText() ([]byte, error) { return []byte(l.String()), nil }

// Finding is the result of one check.
type Finding struct {
	Level Level  `json:"level"`
	Check string `json:"check"`
	Found string `json:"found"`
	// Meaning and Remedy are empty if all is fine and there is nothing to gain.
	Meaning string `json:"meaning,omitempty"`
	Remedy  string `json:"remedy,omitempty"`
}

func fine(check, format string, args ...any) Finding {
	return Finding{Check: check, Found: fmt.Sprintf(format, args...)}
}

// Report holds the findings of all checks.
type Report []Finding

// Worst returns the highest level.
func (r Report) Worst() Level {
	worst := Fine
	for _, f := range r {
		worst = max(worst, f.Level)
	}
	return worst
}

// Print writes a line for each finding, and what to do about it.
func (r Report) Print(w io.Writer) error {
	for _, f := range r {
		if _, err := fmt.Fprintf(w, "%-8s %-13s %s\n", f.Level, f.Check, f.Found); err != nil {
			return err
		}
		if f.Meaning == "" {
			continue
		}
		if _, err := fmt.Fprintf(w, "         %s\n         → %s\n", f.Meaning, f.Remedy); err != nil {
			return err
		}
	}
	return nil
}

// PrintJSON writes the findings as one JSON array.
func (r Report) PrintJSON(w io.Writer) error {
	encoder := json.NewEncoder(w)
	encoder.SetIndent("", "  ")
	return encoder.Encode(r)
}
