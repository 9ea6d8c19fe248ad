package triggers

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"
)

// relation describes a watched table as the catalog knows it, as far as the generated SQL needs it.
type relation struct {
	name        Name
	key         []string
	partitioned bool
	partitions  []partition // at every level, in order of name
	// children inherit from the table, at every level. Those that the spec lists itself are not among them.
	children []Name
	// oids are those of the partitions and children.
	oids map[Name]uint32
	// spelling holds, for each column, the settings on which the spelling of its values depends. mentioned are
	// those of everything else that the spec's SQL for the table names.
	spelling  map[string]spelling
	mentioned needs
	// bigints holds the columns that JavaScript may not read exactly, with the cast that helps.
	bigints map[string]string
	// writerOwns reports that the functions of the table belong to writerRole, or will.
	writerOwns bool
	// schema and table are its name, as PostgreSQL quotes it.
	schema, table string
	// onlyBuiltin reports that the types of all columns are PostgreSQL's own: no right is needed to use them.
	onlyBuiltin bool
	// columns are readable in a trigger. virtual are not: they are virtual generated columns, which
	// PostgreSQL computes on reading.
	columns, virtual []string
	// types describes each column for clients and their filters.
	types map[string]columnType
}

type partition struct {
	name        Name
	partitioned bool
}

func sharedChildError(child, parent, other Name) error {
	return fmt.Errorf("table %s: it inherits from %s and %s, which are both watched: list it in the spec too", child, parent, other)
}

// loadRelation returns what it found before an error, too.
func (cat catalog) loadRelation(ctx context.Context, tx pgx.Tx, t Table) (relation, error) {
	found, err := cat.find(t.Name)
	if err != nil {
		return relation{}, err
	}
	rel := relation{name: t.Name, partitioned: found.kind == "p", writerOwns: cat.writerOwns, schema: found.schema, table: found.table}
	if err := cat.addChildren(found.oid, &rel); err != nil {
		return rel, err
	}
	cat.addColumns(found.oid, &rel)
	if rel.mentioned, err = loadMentioned(ctx, tx, t); err != nil {
		return rel, err
	}
	rel.key, err = t.chooseKey(cat.indexes[found.oid])
	return rel, err
}

// ErrNoTable reports a table of the spec that is not in the database.
const ErrNoTable = constError("it does not exist")

// find returns a table, or an error if the table cannot have triggers.
func (cat catalog) find(name Name) (tableEntry, error) {
	if name.Schema == "pgherald" {
		return tableEntry{}, errors.New("the log cannot be watched")
	}
	t, ok := cat.tables[name]
	switch {
	case !ok:
		return t, ErrNoTable
	case t.kind != "r" && t.kind != "p":
		return t, fmt.Errorf("it is %s, and only tables can be watched", kindName(t.kind))
	case name.Schema == "pg_catalog":
		return t, errors.New("it is a system catalog, in which PostgreSQL permits no triggers")
	case t.persistence == "t":
		return t, errors.New("it is temporary, and only lasting tables can be watched")
	case t.parent != "":
		return t, fmt.Errorf("it is a partition of %s: watch that, and its partitions are watched too", quoteIdent(t.parent))
	}
	return t, nil
}

func kindName(kind string) string {
	switch kind {
	case "v":
		return "a view"
	case "m":
		return "a materialized view"
	case "f":
		return "a foreign table"
	case "S":
		return "a sequence"
	case "i", "I":
		return "an index"
	case "c":
		return "a composite type"
	}
	return "no table"
}

// uniqueIndex is an index that identifies every row at any moment: unique, valid, not partial, not on
// expressions, not deferrable.
type uniqueIndex struct {
	primary  bool
	columns  []string
	nullable []string
}

// chooseKey returns the key columns: the wanted ones, or else those of the primary key. Both need a unique
// index. A table without a primary key can be watched for inserts: their events have no key.
func (t Table) chooseKey(indexes []uniqueIndex) ([]string, error) {
	want := t.Key
	for _, index := range indexes {
		if len(want) == 0 && index.primary {
			return index.columns, nil
		}
		if key, ok := index.inOrder(want); ok {
			if len(index.nullable) > 0 {
				return nil, fmt.Errorf("key column %s must be NOT NULL", index.nullable[0])
			}
			return key, nil
		}
	}
	switch {
	case len(want) > 0:
		return nil, fmt.Errorf("key (%s) needs a unique index on exactly these columns, which is valid, not partial and not deferrable",
			strings.Join(want, ", "))
	case t.needsKey():
		return nil, errNoKey
	}
	return nil, nil
}

// errNoKey reports a table whose updates or deletes are watched, and whose rows nothing identifies.
const errNoKey = constError("it has no primary key (or a deferrable one): add one, name the columns of another unique index under key, " +
	"or watch inserts only")

// needsKey reports whether clients must be able to tell which row an event is about.
func (t Table) needsKey() bool { return t.isWatched(opUpdate) || t.isWatched(opDelete) }

// inOrder returns the columns of an index in the wanted order. ok is false if they are not the same.
func (x uniqueIndex) inOrder(want []string) (key []string, ok bool) {
	if len(want) != len(x.columns) {
		return nil, false
	}
	for _, name := range want {
		if !slices.Contains(x.columns, name) || slices.Contains(key, name) {
			return nil, false
		}
		key = append(key, name)
	}
	return key, true
}

// loadUniqueIndexes reads the unique indexes of tables, the primary key first.
func loadUniqueIndexes(ctx context.Context, tx pgx.Tx, oids ...uint32) (map[uint32][]uniqueIndex, error) {
	rows, err := tx.Query(ctx, `
		select i.indrelid, i.indexrelid, i.indisprimary, a.attname::text, a.attnotnull
		from pg_index as i
		cross join lateral generate_series(0, i.indnkeyatts - 1) as k
		join pg_attribute as a on a.attrelid = i.indrelid and a.attnum = i.indkey[k]
		where i.indrelid = any ($1) and i.indisunique and i.indisvalid and i.indimmediate
			and i.indpred is null and i.indexprs is null
		order by i.indrelid, i.indisprimary desc, i.indexrelid, k`, oids)
	if err != nil {
		return nil, fmt.Errorf("look up unique indexes: %w", err)
	}
	found := map[uint32][]uniqueIndex{}
	var last, id, table uint32
	var primary, notNull bool
	var column string
	_, err = pgx.ForEachRow(rows, []any{&table, &id, &primary, &column, &notNull}, func() error {
		if id != last {
			found[table] = append(found[table], uniqueIndex{primary: primary})
			last = id
		}
		index := &found[table][len(found[table])-1]
		index.columns = append(index.columns, column)
		if !notNull {
			index.nullable = append(index.nullable, quoteIdent(column))
		}
		return nil
	})
	return found, err
}
