package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"time"
)

// tailTime is how the time of an event is written.
const tailTime = "15:04:05.000"

// typeColumns is the width of the longest of the seed's types, so that what follows is aligned.
const typeColumns = len("assignment_changed")

// fields is the data of an event. Someone may give their own tables our types, so nothing is
// sure about what is in it.
type fields map[string]json.RawMessage

// text returns a string field's value, any other value as JSON, and nothing for null and for
// what is not there.
func (f fields) text(name string) string {
	raw := f[name]
	var s string
	if err := json.Unmarshal(raw, &s); err == nil {
		return s
	}
	return string(raw)
}

// eventLine adds an event to a line, for people: when, what, which, and what tells most.
func eventLine(e *envelope, l *line) string {
	l.add(styleDim, time.UnixMilli(e.Timestamp).Format(tailTime)).space()
	l.add(typeStyle(e.Type), fmt.Sprintf("%-*s", typeColumns, e.Type)).add(styleNone, "  ")
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

// compactData is for types that nothing is known about.
func compactData(e *envelope, l *line) string {
	var b bytes.Buffer
	if err := json.Compact(&b, e.Data); err != nil { // there is no data
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
		part(l, styleBold, orNobody(f.text("oldAssigneeId"))+" → "+orNobody(f.text("newAssigneeId")))
	case kind == "activity_updated" && update == "assignment":
		part(l, styleBold, "→ "+orNobody(f.text("assignedTo")))
	default:
		part(l, styleNone, prefixed("→ ", f.text("assignedTo")))
	}
	if kind == "activity_created" {
		part(l, styleNone, prefixed("by ", f.text("reporter")))
	}
	noteLine(f, l)
}

// statusStyle makes the status stand out where it is what changed.
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

// part adds a field behind two spaces, unless there is nothing to add.
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

func orNobody(who string) string {
	if who == "" {
		return "nobody"
	}
	return who
}

// shortID returns the first part of a UUID, which is enough to tell a few rows apart, and
// anything else as it is. --json has it all.
func shortID(id string) string {
	const uuid = len("00000000-0000-0000-0000-000000000000")
	if len(id) == uuid && id[8] == '-' && id[13] == '-' && id[18] == '-' && id[23] == '-' {
		return id[:8]
	}
	return id
}
