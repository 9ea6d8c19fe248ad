package triggers

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"
)

// An Advice names filter fields of a large collection for which no index can find the rows of a page. The index is for an
// operator to create: it costs every write, and only those know which fields their pages use.
type Advice struct {
	Table  string // as SQL names it
	Rows   int64  // as PostgreSQL estimates them
	Fields []string
	// Statements create an index for each of the fields, up to maxStatements.
	Statements []string
	// IsPartitioned says that the statements exclude writers: PostgreSQL cannot do it otherwise for a partitioned table.
	IsPartitioned bool
}

const (
	// minAdvisedRows is the size below which PostgreSQL reads a whole table in some milliseconds.
	minAdvisedRows = 10_000
	// maxStatements bounds the statements about one table.
	maxStatements = 4
)

// String returns what is missing, in one line.
func (a Advice) String() string {
	return fmt.Sprintf("table %s has about %d rows, and no index for lists by %s", a.Table, a.Rows, strings.Join(a.Fields, ", "))
}

// Remedy returns what to run, in one line.
func (a Advice) Remedy() string {
	text := "for those that your pages filter or order by, run: " + strings.Join(a.Statements, "; ")
	if more := len(a.Fields) - len(a.Statements); more > 0 {
		text += fmt.Sprintf("; likewise for %d more", more)
	}
	if a.IsPartitioned {
		text += " (which excludes writers; partition by partition it does not: see ALTER INDEX … ATTACH PARTITION)"
	}
	return text
}

// leadingColumnsSQL returns, for each table, whether it is partitioned, its estimated rows and the columns with which its
// usable indexes begin. A list walks an index that begins with the first field of its order, or searches one that begins with
// a field of its filter.
const leadingColumnsSQL = `
select
    t.place,
    c.relkind = 'p' as is_partitioned,
    case
        when c.relkind <> 'p' then greatest(c.reltuples, 0)::bigint
        else (
            select coalesce(sum(greatest(leaf.reltuples, 0)), 0)::bigint
            from pg_partition_tree(c.oid) as part
            inner join pg_class as leaf on leaf.oid = part.relid
            where part.isleaf
        )
    end as estimated_rows,
    array(
        select a.attname::text
        from pg_index as i
        inner join pg_class as ic on ic.oid = i.indexrelid
        inner join pg_am as m on m.oid = ic.relam
        inner join pg_attribute as a on a.attrelid = i.indrelid and a.attnum = i.indkey[0]
        where i.indrelid = c.oid and i.indisvalid and i.indpred is null and m.amname = 'btree'
    ) as leading
from unnest($1::text[]) with ordinality as t (name, place)
inner join pg_class as c on c.oid = to_regclass(t.name)`

// Advise returns what indexes the collections of a spec lack, for those of at least 10,000 rows, the largest first.
func Advise(ctx context.Context, conn *pgx.Conn, spec Spec) ([]Advice, error) {
	sources, err := Describe(ctx, conn, spec)
	if err != nil {
		return nil, err
	}
	names := make([]string, len(sources))
	for i, s := range sources {
		names[i] = s.Table
	}
	var all []Advice
	err = readOnly(ctx, conn, func(tx pgx.Tx) error {
		rows, err := tx.Query(ctx, leadingColumnsSQL, names)
		if err != nil {
			return err
		}
		var place int
		var a Advice
		var leading []string
		_, err = pgx.ForEachRow(rows, []any{&place, &a.IsPartitioned, &a.Rows, &leading}, func() error {
			if one := a.of(sources[place-1], leading); a.Rows >= minAdvisedRows && len(one.Fields) > 0 {
				all = append(all, one)
			}
			return nil
		})
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("look up the indexes of the collections: %w", err)
	}
	slices.SortStableFunc(all, func(x, y Advice) int { return int(min(1, max(-1, y.Rows-x.Rows))) })
	return all, nil
}

// of completes the advice for a collection, with whose columns in leading an index begins.
func (a Advice) of(s Source, leading []string) Advice {
	a.Table, a.Fields, a.Statements = s.Table, nil, nil
	for _, f := range s.Fields {
		if f.Filter == "" || slices.Contains(leading, f.Column) {
			continue
		}
		a.Fields = append(a.Fields, f.Name)
		if len(a.Statements) < maxStatements {
			a.Statements = append(a.Statements, a.statement(f.Column, s.Key))
		}
	}
	return a
}

// statement creates the index that a list by one column walks: the key follows it, in the same direction.
func (a Advice) statement(column string, key []string) string {
	columns := []string{quoteIdent(column)}
	for _, k := range key {
		if k != column {
			columns = append(columns, quoteIdent(k))
		}
	}
	how := "create index concurrently on "
	if a.IsPartitioned {
		how = "create index on "
	}
	return how + a.Table + " (" + strings.Join(columns, ", ") + ")"
}
