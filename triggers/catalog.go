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
	// spelling holds, for each column, the settings on which the spelling of its values depends. mentioned are
	// those of everything else that the spec's SQL for the table names.
	spelling  map[string]spelling
	mentioned needs
	// bigints holds the columns that JavaScript may not read exactly, with the cast that helps.
	bigints map[string]string
	// writerOwns reports that the functions of the table belong to writerRole, or will.
	writerOwns bool
	// columns are readable in a trigger. virtual are not: they are virtual generated columns, which
	// PostgreSQL computes on reading.
	columns, virtual []string
}

type partition struct {
	name        Name
	partitioned bool
}

func sharedChildError(child, parent, other Name) error {
	return fmt.Errorf("table %s: it inherits from %s and %s, which are both watched: list it in the spec too", child, parent, other)
}

// loadRelation returns what it found before an error, too.
func loadRelation(ctx context.Context, tx pgx.Tx, t Table) (relation, error) {
	oid, kind, err := findTable(ctx, tx, t.Name)
	if err != nil {
		return relation{}, err
	}
	rel := relation{name: t.Name, partitioned: kind == "p"}
	if rel.partitions, rel.children, err = loadChildren(ctx, tx, oid); err != nil {
		return rel, err
	}
	if err := loadColumns(ctx, tx, oid, &rel); err != nil {
		return rel, err
	}
	if rel.mentioned, err = loadMentioned(ctx, tx, t); err != nil {
		return rel, err
	}
	if rel.writerOwns, err = writerOwns(ctx, tx); err != nil {
		return rel, err
	}
	rel.key, err = loadKey(ctx, tx, oid, t.Key)
	return rel, err
}

// ErrNoTable reports a table of the spec that is not in the database.
const ErrNoTable = constError("it does not exist")

// findTable returns the oid and relkind of a table, or an error if the table cannot have triggers.
func findTable(ctx context.Context, tx pgx.Tx, name Name) (oid uint32, kind string, err error) {
	if name.Schema == "pgherald" {
		return 0, "", errors.New("the log cannot be watched")
	}
	var persistence, parent string
	err = tx.QueryRow(ctx, `
		select c.oid, c.relkind::text, c.relpersistence::text,
			coalesce((
				select p.relname
				from pg_inherits as i
				join pg_class as p on p.oid = i.inhparent
				where i.inhrelid = c.oid and c.relispartition
			), '')::text
		from pg_class as c
		join pg_namespace as s on s.oid = c.relnamespace
		where s.nspname = $1 and c.relname = $2`, name.Schema, name.Table,
	).Scan(&oid, &kind, &persistence, &parent)
	switch {
	case errors.Is(err, pgx.ErrNoRows):
		return 0, "", ErrNoTable
	case err != nil:
		return 0, "", fmt.Errorf("look it up: %w", err)
	case kind != "r" && kind != "p":
		return 0, "", fmt.Errorf("it is %s, and only tables can be watched", kindName(kind))
	case persistence == "t":
		return 0, "", errors.New("it is temporary, and only lasting tables can be watched")
	case parent != "":
		return 0, "", fmt.Errorf("it is a partition of %s: watch that, and its partitions are watched too", quoteIdent(parent))
	}
	return oid, kind, nil
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

// loadKey returns the key columns: the wanted ones, or else those of the primary key. Both need a unique
// index.
func loadKey(ctx context.Context, tx pgx.Tx, oid uint32, want []string) ([]string, error) {
	indexes, err := loadUniqueIndexes(ctx, tx, oid)
	if err != nil {
		return nil, err
	}
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
	if len(want) == 0 {
		return nil, errors.New("it has no primary key (or a deferrable one): add one, or name the columns of another unique index under key")
	}
	return nil, fmt.Errorf("key (%s) needs a unique index on exactly these columns, which is valid, not partial and not deferrable",
		strings.Join(want, ", "))
}

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

// loadUniqueIndexes reads the unique indexes of a table, the primary key first.
func loadUniqueIndexes(ctx context.Context, tx pgx.Tx, oid uint32) ([]uniqueIndex, error) {
	rows, err := tx.Query(ctx, `
		select i.indexrelid, i.indisprimary, a.attname::text, a.attnotnull
		from pg_index as i
		cross join lateral generate_series(0, i.indnkeyatts - 1) as k
		join pg_attribute as a on a.attrelid = i.indrelid and a.attnum = i.indkey[k]
		where i.indrelid = $1 and i.indisunique and i.indisvalid and i.indimmediate
			and i.indpred is null and i.indexprs is null
		order by i.indisprimary desc, i.indexrelid, k`, oid)
	if err != nil {
		return nil, fmt.Errorf("look up its unique indexes: %w", err)
	}
	var indexes []uniqueIndex
	var last, id uint32
	var primary, notNull bool
	var column string
	_, err = pgx.ForEachRow(rows, []any{&id, &primary, &column, &notNull}, func() error {
		if id != last {
			indexes = append(indexes, uniqueIndex{primary: primary})
			last = id
		}
		index := &indexes[len(indexes)-1]
		index.columns = append(index.columns, column)
		if !notNull {
			index.nullable = append(index.nullable, quoteIdent(column))
		}
		return nil
	})
	return indexes, err
}

func loadColumns(ctx context.Context, tx pgx.Tx, oid uint32, rel *relation) error {
	types, err := loadTypes(ctx, tx, oid)
	if err != nil {
		return err
	}
	rel.spelling, rel.bigints = make(map[string]spelling), make(map[string]string)
	rows, err := tx.Query(ctx, `
		select a.attname::text, a.atttypid, a.attgenerated = 'v'
		from pg_attribute as a
		where a.attrelid = $1 and a.attnum > 0 and not a.attisdropped
		order by a.attnum`, oid)
	if err != nil {
		return fmt.Errorf("look up its columns: %w", err)
	}
	var column string
	var id uint32
	var virtual bool
	_, err = pgx.ForEachRow(rows, []any{&column, &id, &virtual}, func() error {
		rel.spelling[column] = types.spelling(id)
		if cast := types.bigintCast(id); cast != "" {
			rel.bigints[column] = cast
		}
		if virtual {
			rel.virtual = append(rel.virtual, column)
		} else {
			rel.columns = append(rel.columns, column)
		}
		return nil
	})
	return err
}

// loadChildren returns the partitions of a table and the tables that inherit from it, at every level. A foreign
// table among them is an error: a write through the parent would give no event for its rows.
func loadChildren(ctx context.Context, tx pgx.Tx, oid uint32) (partitions []partition, children []Name, err error) {
	rows, err := tx.Query(ctx, `
		with recursive tree as (
			select i.inhrelid as oid from pg_inherits as i where i.inhparent = $1
			union
			select i.inhrelid from pg_inherits as i join tree on tree.oid = i.inhparent
		)
		select s.nspname::text, c.relname::text, c.relkind::text, c.relispartition
		from tree
		join pg_class as c on c.oid = tree.oid
		join pg_namespace as s on s.oid = c.relnamespace
		order by s.nspname, c.relname`, oid)
	if err != nil {
		return nil, nil, fmt.Errorf("look up its partitions: %w", err)
	}
	var name Name
	var kind string
	var isPartition bool
	_, err = pgx.ForEachRow(rows, []any{&name.Schema, &name.Table, &kind, &isPartition}, func() error {
		if kind == "f" {
			return fmt.Errorf("its child %s is a foreign table, whose rows change without triggers", name)
		}
		if isPartition {
			partitions = append(partitions, partition{name: name, partitioned: kind == "p"})
		} else {
			children = append(children, name)
		}
		return nil
	})
	return partitions, children, err
}
