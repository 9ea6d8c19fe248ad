package triggers

import (
	"encoding/json"
	"fmt"
	"regexp"
	"strings"
)

// SchemaFile is the name under which the head of a rendered spec refers to [Schema].
const SchemaFile = "pgherald.schema.json"

const renderHead = `# yaml-language-server: $schema=./` + SchemaFile + `
#
# The tables that pgherald watches, and the events of their writes: docs/spec.md describes every field.
#     pgherald plan --spec=FILE     the SQL that would run
#     pgherald serve --spec=FILE    install the triggers and serve
# payload: { id: n.id, total: n.price * n.amount } replaces the columns by SQL over n, the new row, and o, the old one.
# collection: serves the rows at /api/collections/NAME and their changes at /api/events?collection=NAME.
# filter: the fields by which clients filter and order; every update that changes one of them logs its former value.
# audience: array['user:' || n.owner] limits the events to clients with one of these grants.
# columns: { sensitive: false } keeps columns whose names look sensitive out of events and lists, also those that are added later.

tables:
`

// Render returns the YAML of a spec that [Expand] returned, with the notes as comments. Parse reads it back.
func Render(spec Spec, notes []Note) []byte {
	about := map[Name][]string{}
	var skipped []Note
	for _, n := range notes {
		if n.Skipped {
			skipped = append(skipped, n)
		} else {
			about[n.Table] = append(about[n.Table], n.Message)
		}
	}
	var b strings.Builder
	b.WriteString(renderHead)
	for _, t := range spec.Tables {
		for _, message := range about[t.Name] {
			fmt.Fprintf(&b, "  # It %s.\n", oneLine(message))
		}
		t.render(&b)
	}
	for i, n := range skipped {
		if i == 0 {
			b.WriteString("\n")
		}
		fmt.Fprintf(&b, "# %s\n", oneLine(n.String()))
	}
	return []byte(b.String())
}

func (t Table) render(b *strings.Builder) {
	fmt.Fprintf(b, "  - name: %s\n", yamlText(t.Name.quoted()))
	if len(t.Key) > 0 {
		fmt.Fprintf(b, "    key: %s\n", yamlList(t.Key))
	}
	if !t.Columns.isZero() {
		fmt.Fprintf(b, "    columns: %s\n", t.Columns.yaml())
	}
	var on []string
	for _, op := range t.rowOps() {
		on = append(on, op+": "+yamlText(t.events(op)[0].Type))
	}
	fmt.Fprintf(b, "    on: { %s }\n", strings.Join(on, ", "))
	if t.Collection == "" {
		return
	}
	fmt.Fprintf(b, "    collection: %s\n", yamlText(t.Collection))
	if len(t.unfiltered) > 0 {
		fmt.Fprintf(b, "    # Clients cannot filter by %s.\n", oneLine(strings.Join(t.unfiltered, ", ")))
	}
	if len(t.Filter) > 0 {
		fmt.Fprintf(b, "    filter: %s\n", yamlList(t.Filter))
	}
}

// yaml returns the choice as columns of a listed table.
func (c Columns) yaml() string {
	var members []string
	if len(c.Exclude) > 0 {
		members = append(members, "exclude: "+yamlList(c.Exclude))
	}
	if len(c.Include) > 0 {
		members = append(members, "include: "+yamlList(c.Include))
	}
	if c.Cautious {
		members = append(members, "sensitive: false")
	}
	return "{ " + strings.Join(members, ", ") + " }"
}

// quoted returns the name as parseName reads it: it knows no U&"" names.
func (n Name) quoted() string {
	parts := []string{n.Schema, n.Table}
	for i, part := range parts {
		if !isPlainIdent(part) {
			parts[i] = `"` + strings.ReplaceAll(part, `"`, `""`) + `"`
		}
	}
	return strings.Join(parts, ".")
}

// oneLine keeps a name from ending the comment that it is in.
func oneLine(text string) string { return strings.Join(strings.Fields(text), " ") }

var plainYAML = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_.]*$`)

// yamlText returns a text as a scalar of YAML. A text of JSON is one, too; words that YAML reads as values get quotes.
func yamlText(text string) string {
	switch strings.ToLower(text) {
	case "true", "false", "null", "yes", "no", "on", "off", "y", "n":
	default:
		if plainYAML.MatchString(text) {
			return text
		}
	}
	quoted, err := json.Marshal(text)
	if err != nil {
		panic("encode a text: " + err.Error()) // texts have no reason to fail
	}
	return string(quoted)
}

func yamlList(names []string) string {
	texts := make([]string, len(names))
	for i, name := range names {
		texts[i] = yamlText(name)
	}
	return "[" + strings.Join(texts, ", ") + "]"
}
