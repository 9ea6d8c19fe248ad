package tail

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	pgherald "github.com/pgherald/pgherald/clients/go"
)

// timeLayout formats the time of an event, in local time.
const timeLayout = "15:04:05.000"

// typeColumns is the width of the longest type of the activities example, so that the rest of a line is aligned.
const typeColumns = len("assignment_changed")

// fields holds the data of an event. Any table may use the types of the activities example, so any field may be
// absent or have another JSON type.
type fields map[string]json.RawMessage

// text returns the value of a string field, "" for null and for an absent field, and any other value
// as JSON.
func (f fields) text(name string) string {
	raw := f[name]
	var s string
	if err := json.Unmarshal(raw, &s); err == nil {
		return s
	}
	return string(raw)
}

// eventLine formats an event as a line of text: time, type, id of the row, and its main fields.
func eventLine(e *pgherald.Event, l *line) string {
	l.add(styleDim, time.UnixMilli(e.Timestamp).Format(timeLayout)).space()
	l.add(typeStyle(e.Type), fmt.Sprintf("%-*s", typeColumns, e.Type)).add(styleNone, "  ")
	if e.Op != "" {
		l.add(styleBold, opOf(e)).space().add(styleDim, e.Key).space()
	}
	var f fields
	if err := json.Unmarshal(e.Data, &f); err != nil {
		return compactData(e, l)
	}
	switch e.Type {
	case "activity_created", "activity_updated", "assignment_changed", "activity_deleted":
		activityLine(e.Type, f, l)
	case "presence_updated":
		presenceLine(f, l)
	default:
		return compactData(e, l)
	}
	return l.String()
}

// opOf says how the event changes the rows that the stream selects.
func opOf(e *pgherald.Event) string {
	switch {
	case e.Moved && e.Op == pgherald.OpInsert:
		return "enters"
	case e.Moved && e.Op == pgherald.OpDelete:
		return "leaves"
	}
	return string(e.Op)
}

func typeStyle(kind string) style {
	switch kind {
	case "activity_created":
		return styleGreen
	case "activity_updated":
		return styleCyan
	case "assignment_changed":
		return styleYellow
	case "activity_deleted":
		return styleRed
	case "presence_updated":
		return styleBlue
	default:
		return styleMagenta
	}
}

// compactData adds the data as JSON, for all other types.
func compactData(e *pgherald.Event, l *line) string {
	var b bytes.Buffer
	if err := json.Compact(&b, e.Data); err != nil { // absent data
		return l.String()
	}
	return l.add(styleNone, b.String()).String()
}

func activityLine(kind string, f fields, l *line) {
	l.add(styleDim, shortID(f.text("id")))
	update := f.text("updateType")
	part(l, statusStyle(update), f.text("status"))
	part(l, styleNone, joined("/", f.text("category"), f.text("subcategory")))
	part(l, styleNone, prefixed("@ ", f.text("location")))
	switch {
	case kind == "assignment_changed":
		part(l, styleBold, orUnassigned(f.text("oldAssigneeId"))+" → "+orUnassigned(f.text("newAssigneeId")))
	case kind == "activity_updated" && update == "assignment":
		part(l, styleBold, "→ "+orUnassigned(f.text("assignedTo")))
	default:
		part(l, styleNone, prefixed("→ ", f.text("assignedTo")))
	}
	if kind == "activity_created" {
		part(l, styleNone, prefixed("by ", f.text("reporter")))
	}
	noteLine(f, l)
}

// statusStyle emphasizes the status if the update changed it.
func statusStyle(update string) style {
	if update == "status" {
		return styleBold
	}
	return styleNone
}

func noteLine(f fields, l *line) {
	var latest fields
	if err := json.Unmarshal(f["latestUpdate"], &latest); err != nil {
		return
	}
	notes, author := latest.text("notes"), latest.text("authorId")
	if notes == "" {
		return
	}
	if author != "" {
		author += ": "
	}
	part(l, styleNone, author+"“"+notes+"”")
}

func presenceLine(f fields, l *line) {
	l.add(styleNone, f.text("userId"))
	switch f.text("isOnline") {
	case "true":
		part(l, styleGreen, "online")
	case "false":
		part(l, styleDim, "offline")
	}
}

// part adds two spaces and a field, unless the field is empty.
func part(l *line, s style, text string) {
	if text != "" {
		l.add(styleNone, "  ").add(s, text)
	}
}

func prefixed(prefix, text string) string {
	if text == "" {
		return ""
	}
	return prefix + text
}

func joined(separator string, parts ...string) string {
	return strings.Trim(strings.Join(parts, separator), separator)
}

func orUnassigned(user string) string {
	if user == "" {
		return "Unassigned"
	}
	return user
}

// shortID returns the first part of a UUID, enough to distinguish a few rows, and any other id
// unchanged. --json prints ids in full.
func shortID(id string) string {
	const uuid = len("00000000-0000-0000-0000-000000000000")
	if len(id) == uuid && id[8] == '-' && id[13] == '-' && id[18] == '-' && id[23] == '-' {
		return id[:8]
	}
	return id
}
