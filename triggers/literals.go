package triggers

import (
	"context"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"
)

// PostgreSQL turns a string literal into a value while it parses. For a composite, array or range type whose parts are
// domains, that runs the checks of these domains: code of their owners, with the rights of the role that lets PostgreSQL
// parse. So an expression with such a literal is not parsed where it can be one of a domain of another role. Text of other
// types runs no code, and text of these types begins with a bracket.

// bracketLiteral finds string literals that may be text of such a type: a bracket after spaces, or escapes, which may be one.
var bracketLiteral = regexp.MustCompile(`(?i)'[\s\v]*[{\[(]|\$[^$']*\$[\s\v]*[{\[(]|\be'[\s\v]*\\|\bu&'`)

// hasBracketLiteral may be wrong about a text without one.
func hasBracketLiteral(texts ...string) bool {
	for _, text := range texts {
		if bracketLiteral.MatchString(text) {
			return true
		}
	}
	return false
}

// foreignLiteralError reports an expression that cannot be validated safely.
type foreignLiteralError struct{ domain, owner string }

func (e *foreignLiteralError) Error() string {
	return fmt.Sprintf("a text literal that begins with a bracket may run the check of domain %s, which belongs to %s, with the rights of this role: "+
		"write array[…] or row(…), such as array[]::text[] for '{}'", e.domain, e.owner)
}

// foreignDomainSQL finds a domain of a role whose code the present one must not run: among the types of a table's columns and
// what these consist of, or anywhere.
const foreignDomainSQL = `
with recursive reach (oid) as (
	select a.atttypid
	from pg_attribute as a
	where a.attrelid = to_regclass($1) and a.attnum > 0 and not a.attisdropped
	union
	select part.oid
	from reach
	join pg_type as t on t.oid = reach.oid
	cross join lateral (
		select t.typelem
		union all
		select t.typbasetype
		union all
		-- rngmultitypid is new in PostgreSQL 14.
		select r.rngsubtype from pg_range as r where t.oid in (r.rngtypid, (to_jsonb(r) ->> 'rngmultitypid')::oid)
		union all
		select a.atttypid from pg_attribute as a where a.attrelid = t.typrelid and t.typrelid <> 0 and a.attnum > 0 and not a.attisdropped
	) as part (oid)
	where part.oid <> 0
)
select format_type(t.oid, null), quote_ident(o.rolname)
from pg_type as t
join pg_roles as o on o.oid = t.typowner
where t.typtype = 'd' and not o.rolsuper and o.rolname <> current_user and ($2 or t.oid in (select reach.oid from reach))
order by t.oid
limit 1`

// foreignDomain returns an error that names a domain of another role, among those of the table's columns or anywhere, and nil if
// there is none.
func foreignDomain(ctx context.Context, tx pgx.Tx, table Name, anywhere bool) (*foreignLiteralError, error) {
	rows, err := tx.Query(ctx, foreignDomainSQL, table.String(), anywhere)
	if err != nil {
		return nil, fmt.Errorf("look for domains of other roles: %w", err)
	}
	var found *foreignLiteralError
	var e foreignLiteralError
	_, err = pgx.ForEachRow(rows, []any{&e.domain, &e.owner}, func() error {
		one := e
		found = &one
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("look for domains of other roles: %w", err)
	}
	return found, nil
}

// texts returns the SQL of the spec for a table, except columns.
func (t Table) texts() []string {
	var texts []string
	for _, j := range t.Joins {
		texts = append(texts, j.SQL)
	}
	for _, e := range t.RowEvents() {
		texts = append(texts, e.When, e.Key, e.Audience)
		for _, f := range e.Payload {
			if _, _, plain := plainColumn(f.SQL); !plain {
				texts = append(texts, f.SQL)
			}
		}
	}
	return texts
}

// checkLiterals returns an error if parsing the table's expressions may run the check of a domain of another role.
func checkLiterals(ctx context.Context, tx pgx.Tx, t Table) (*foreignLiteralError, error) {
	texts := t.texts()
	if !hasBracketLiteral(texts...) {
		return nil, nil
	}
	// A name of another schema may bring any type into an expression.
	first, _ := t.mentions()
	isForeign := func(name string) bool { return name != "n" && name != "o" && name != "pg_catalog" }
	anywhere := len(t.Joins) > 0 || slices.ContainsFunc(first, isForeign) || strings.Contains(strings.ToLower(strings.Join(texts, " ")), "operator")
	return foreignDomain(ctx, tx, t.Name, anywhere)
}
