package triggers

import (
	"fmt"
	"strings"
)

// A Note says what a spec does with a table that the spec does not say itself: it leaves the table or some columns out,
// or watches inserts only.
type Note struct {
	Table   Name
	Message string
	// Skipped reports that the table is not watched.
	Skipped bool
	// reason is the same for all tables of which the same is to be said. about are the columns that differ.
	reason, about string
}

// String returns the note as one line.
func (n Note) String() string { return fmt.Sprintf("table %s %s", n.Table, n.Message) }

// likeText is the end of a line about several tables.
func (n Note) likeText() string {
	if n.about == "" {
		return n.Table.String()
	}
	return n.Table.String() + " (" + n.about + ")"
}

const (
	// maxLines is the number of notes with the same reason that have a line each.
	maxLines = 3
	// maxNamed is the number of tables that a line about more names besides the first one.
	maxNamed = 8
)

// Summarize returns the notes as lines. Where many tables have a note for the same reason, one line covers them.
func Summarize(notes []Note) []string {
	groups := map[string][]Note{}
	var order []string
	for _, n := range notes {
		if groups[n.reason] == nil || n.reason == "" {
			order = append(order, n.reason)
		}
		groups[n.reason] = append(groups[n.reason], n)
	}
	var lines []string
	for _, reason := range order {
		group := groups[reason]
		if reason != "" && len(group) > maxLines {
			lines = append(lines, summary(group))
			continue
		}
		if reason == "" {
			group, groups[reason] = group[:1], group[1:]
		}
		for _, n := range group {
			lines = append(lines, n.String())
		}
	}
	return lines
}

func summary(group []Note) string {
	others := group[1:]
	named := others[:min(len(others), maxNamed)]
	texts := make([]string, len(named))
	for i, n := range named {
		texts[i] = n.likeText()
	}
	line := fmt.Sprintf("%s; likewise for %d other tables: %s", group[0], len(others), strings.Join(texts, ", "))
	if rest := len(others) - len(named); rest > 0 {
		line += fmt.Sprintf(" and %d more, which `pgherald init --output=-` lists", rest)
	}
	return line
}

func (e *expansion) skip(table Name, format string, args ...any) {
	message := "is not watched: " + fmt.Sprintf(format, args...)
	e.notes = append(e.notes, Note{Table: table, Message: message, Skipped: true, reason: format + message})
}

// note adds a note. The columns, if there are some, are the first of the arguments.
func (e *expansion) note(table Name, columns, format string, args ...any) {
	if columns != "" {
		args = append([]any{columns}, args...)
	}
	message := fmt.Sprintf(format, args...)
	reason := format
	if columns == "" {
		reason = message
	}
	e.notes = append(e.notes, Note{Table: table, Message: message, reason: reason, about: columns})
}
