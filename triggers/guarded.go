package triggers

import (
	"fmt"
	"strconv"
	"strings"
)

// A guarded function computes the events of a row in a block of its own, and writes them after it. If the
// block raises an error, the function writes a collection_reset instead, and the application's write goes
// on. Nothing is written inside the block: so its subtransaction needs no number, and costs little.

// maxEventBytes bounds the parts of an event. A row of the log that exceeds 1 GB would raise an error where
// it is written, outside the block.
const maxEventBytes = 256 << 20

// slot names the variables that hold an event between the block and its insert.
type slot struct {
	event Event
	name  string
	op    string
}

// slots returns one slot for each event of a section, such as updated and updated2.
func (s section) slots() []slot {
	word := map[string]string{opInsert: "inserted", opUpdate: "updated", opDelete: "deleted"}[s.op]
	list := make([]slot, len(s.events))
	for i, event := range s.events {
		list[i] = slot{event, word, s.op}
		if i > 0 {
			list[i].name += strconv.Itoa(i + 1)
		}
	}
	return list
}

// allSlots returns the slots of several sections, each once.
func allSlots(sections []section) []slot {
	var list []slot
	seen := map[string]bool{}
	for _, s := range sections {
		for _, one := range s.slots() {
			if !seen[one.name] {
				seen[one.name] = true
				list = append(list, one)
			}
		}
	}
	return list
}

// guardVariables declares the variables of the slots. With joins, a row gives any number of events of a type,
// and the variables are arrays.
func guardVariables(sections []section, t Table) string {
	text, json := "pg_catalog.text", "pg_catalog.json"
	audience := "pg_catalog.text[]"
	if len(t.Joins) > 0 {
		text, json, audience = text+"[]", json+"[]", text+"[]"
	}
	var b strings.Builder
	for _, s := range allSlots(sections) {
		fmt.Fprintf(&b, "%s_key %s;\n", s.name, text)
		if s.event.Audience != "" {
			fmt.Fprintf(&b, "%s_audience %s;\n", s.name, audience)
		}
		fmt.Fprintf(&b, "%s_data %s;\n", s.name, json)
	}
	b.WriteString(t.moves.variables(sections))
	b.WriteString("failed pg_catalog.text;\n")
	if t.showsKey() {
		b.WriteString("failed_key pg_catalog.text;\n")
	}
	return b.String()
}

// guardedSteps generates the steps of a function that writes a collection_reset instead of raising an error.
func guardedSteps(t Table, rel relation) string {
	var before []string
	inside := checkTable(rel)
	if t.isWatched(opUpdate) {
		before, inside = append(before, skipUnchanged), append(inside, lookAtKey(rel))
	}
	sections := rowSections(t)
	for _, s := range sections {
		inside = append(inside, s.guarded(t, rel))
	}
	return strings.Join(append(before, guard(inside), outcome(t, sections, failedKey(t, rel))), "\n")
}

// guard generates the block.
func guard(statements []string) string {
	return fmt.Sprintf(`-- An expression that raises an error must not fail the write. Nothing is written in this block.
begin
%s
exception when others or assert_failure then
    failed = sqlstate;
end;`, indent(strings.Join(statements, "\n"), 1))
}

// guarded generates a section that computes its events into their slots.
func (s section) guarded(t Table, rel relation) string {
	statements := s.moves(t, rel)
	for _, one := range s.slots() {
		statements = append(statements, one.compute(t, rel), one.bound(t))
	}
	return s.block(t, rel, statements)
}

// compute generates the statements that fill a slot.
func (s slot) compute(t Table, rel relation) string {
	v := eventValues(rel, s.event)
	if len(t.Joins) > 0 {
		return s.computeMany(t, rel, v)
	}
	if len(s.event.Payload) == 0 && s.event.When == "" && s.event.Key == "" && s.event.Audience == "" {
		return fmt.Sprintf("%s_key = case when %s then %s end;\n%s_data = %s;", s.name, tableExists(rel), v.key, s.name, v.data)
	}
	list, targets := []string{v.key}, []string{s.name + "_key"}
	if s.event.Audience != "" {
		list, targets = append(list, v.audience), append(targets, s.name+"_audience")
	}
	list, targets = append(list, v.data), append(targets, s.name+"_data")
	return fmt.Sprintf("select\n%s\ninto %s\n%s;", indent(strings.Join(list, ",\n"), 1), strings.Join(targets, ", "),
		sources(rel, s.event, joined(t)))
}

// computeMany generates the statement that fills a slot of arrays. The audiences are texts, because PostgreSQL
// has no arrays of arrays of different lengths.
func (s slot) computeMany(t Table, rel relation, v values) string {
	list, targets := []string{"array_agg(" + v.key + ")"}, []string{s.name + "_key"}
	if s.event.Audience != "" {
		list, targets = append(list, "array_agg("+v.audience+"::text)"), append(targets, s.name+"_audience")
	}
	list, targets = append(list, "array_agg("+v.data+")"), append(targets, s.name+"_data")
	return fmt.Sprintf("select\n%s\ninto %s\n%s;", indent(strings.Join(list, ",\n"), 1), strings.Join(targets, ", "),
		sources(rel, s.event, joined(t)))
}

// insert generates the statement that writes a slot.
func (s slot) insert(t Table) string {
	audience := "null"
	if s.event.Audience != "" {
		audience = s.name + "_audience"
	}
	typ := quoteLiteral(s.event.Type)
	columns, values := t.moves.columns(s.op)
	more := strings.Join(append([]string{""}, values...), ", ")
	write := fmt.Sprintf("values (%s, %s_key, %s, %s_data%s)", typ, s.name, audience, s.name, more)
	if len(t.Joins) > 0 && s.event.Audience == "" {
		write = fmt.Sprintf("select %s, event.key, null, event.data%s\nfrom unnest(%s_key, %s_data) as event (key, data)",
			typ, more, s.name, s.name)
	} else if len(t.Joins) > 0 {
		write = fmt.Sprintf("select %s, event.key, event.audience::text[], event.data%s\nfrom unnest(%s_key, %s, %s_data) as event (key, audience, data)",
			typ, more, s.name, audience, s.name)
	}
	return fmt.Sprintf("if %s_data is not null then\n%s\n    written = true;\nend if;", s.name, indent(insertColumns(columns)+write+";", 1))
}

// bound generates the statement that raises an error if the event is too large for the log.
func (s slot) bound(t Table) string {
	variables := []string{s.name + "_data"}
	if s.event.Key != "" {
		variables = append(variables, s.name+"_key")
	}
	if s.event.Audience != "" {
		variables = append(variables, s.name+"_audience")
	}
	if s.op == opUpdate && len(t.moves.audience) > 0 {
		variables = append(variables, "updated_audience_was")
	}
	sizes := make([]string, len(variables))
	for i, v := range variables {
		sizes[i] = fmt.Sprintf("pg_catalog.pg_column_size(%s) operator(pg_catalog.>) %d", v, maxEventBytes)
	}
	return fmt.Sprintf("if %s then\n    raise program_limit_exceeded;\nend if;", strings.Join(sizes, "\n    or "))
}

// outcome generates what follows the block: the reset, or the inserts. key is the SQL of the row's key, or
// empty if clients must not see it.
func outcome(t Table, sections []section, key string) string {
	var inserts []string
	for _, s := range allSlots(sections) {
		inserts = append(inserts, s.insert(t))
	}
	return fmt.Sprintf(`if failed is not null then
%s
    written = true;
else
%s
end if;`, indent(reset(t, key), 1), indent(strings.Join(inserts, "\n"), 1))
}

// reset generates the statements that write a collection_reset.
func reset(t Table, key string) string {
	const call = "perform pgherald.reset_collection(%s, %s, failed);"
	table := quoteLiteral(t.Name.String())
	if key == "" {
		return fmt.Sprintf(call, table, "null")
	}
	return fmt.Sprintf(`begin
    failed_key = %s;
exception when others or assert_failure then
    failed_key = null;
end;
`, key) + fmt.Sprintf(call, table, "failed_key")
}

// failedKey generates the key of the row that a function was called for.
func failedKey(t Table, rel relation) string {
	if !t.showsKey() {
		return ""
	}
	if t.isWatched(opUpdate) {
		return fmt.Sprintf(`case
        when key_changed then null
        when tg_op operator(pg_catalog.=) 'DELETE' then %s
        else %s
    end`, rowKey(rel, "old"), rowKey(rel, "new"))
	}
	return fmt.Sprintf("case when tg_op operator(pg_catalog.=) 'DELETE' then %s else %s end", rowKey(rel, "old"), rowKey(rel, "new"))
}

// showsKey reports whether every client may see the key of each row of the table, and knows rows by it.
func (t Table) showsKey() bool {
	for _, op := range t.rowOps() {
		for _, e := range t.events(op) {
			if e.Audience != "" || e.Key != "" {
				return false
			}
		}
	}
	return true
}
