package triggers

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// resolved is one table of a spec as found in the database, with what is wrong with it.
type resolved struct {
	table    Table
	rel      relation
	traits   traits
	mistakes []mistake
	// unlisted says why the table is not the collection that it is by default.
	unlisted string
	// generated keeps what objects generates, since a plan uses it several times within its transaction; nil before the
	// table is resolved.
	generated *generated
}

// generated holds the objects of a table once objects has generated them.
type generated struct {
	done    bool
	objects objects
}

// mistake is a reason why a table of the spec cannot be watched.
type mistake struct {
	kind Kind
	err  error
}

// isUndecided reports that the role lacks a right to validate an expression, or could not lock a table in time.
func (m mistake) isUndecided() bool { return m.kind == KindExpression && isUndecided(m.err) }

func isUndecided(err error) bool {
	var foreign *foreignLiteralError
	return errors.As(err, &foreign) || isCode(err, insufficientPrivilege) || isCode(err, lockNotAvailable) || isCode(err, queryCanceled)
}

// resolve looks up and validates every table of a spec. A mistake in one table does not affect the others.
// err reports that the look-up itself failed.
func resolve(ctx context.Context, tx pgx.Tx, spec Spec) ([]resolved, error) {
	all, err := loadTraits(ctx, tx, spec)
	if err != nil {
		return nil, err
	}
	cat, err := loadCatalog(ctx, tx, spec)
	if err != nil {
		return nil, err
	}
	tables := make([]resolved, len(spec.Tables))
	for i, t := range spec.Tables {
		if tables[i], err = resolveTable(ctx, tx, t, cat); err != nil {
			return nil, fmt.Errorf("look up table %s: %w", t.Name, err)
		}
		tables[i].traits = all[t.Name]
		tables[i].rel.children = slices.DeleteFunc(tables[i].rel.children, spec.lists)
	}
	refuseSharedChildren(tables)
	refuseSharedTypes(tables)
	err = refuseHiddenRows(ctx, tx, tables)
	for i := range tables {
		tables[i].generated = new(generated)
	}
	return tables, err
}

// refuseSharedChildren refuses each table with a child that also inherits from a watched table before it.
func refuseSharedChildren(tables []resolved) {
	parents := map[Name]Name{}
	for i, r := range tables {
		for _, child := range r.rel.children {
			if other, ok := parents[child]; ok {
				tables[i].mistakes = slices.Insert(r.mistakes, 0, mistake{KindTable, sharedChildError(child, other, r.table.Name)})
				break
			}
			parents[child] = r.table.Name
		}
	}
}

func resolveTable(ctx context.Context, tx pgx.Tx, t Table, cat catalog) (resolved, error) {
	r := resolved{table: t}
	if t.broken != nil {
		r.mistakes = []mistake{{KindTable, fmt.Errorf("table %s: %w", t.Name, t.broken)}}
		return r, nil
	}
	var err error
	if r.rel, err = cat.loadRelation(ctx, tx, t); err != nil {
		if isFault(ctx, tx, err) {
			return r, err
		}
		r.mistakes = []mistake{{KindTable, fmt.Errorf("table %s: %w", t.Name, err)}}
		return r, nil
	}
	found, err := validateTable(ctx, tx, t, r.rel)
	for _, err := range found {
		r.mistakes = append(r.mistakes, mistake{KindExpression, err})
	}
	for _, err := range collectionMistakes(t, r.rel) {
		r.mistakes = append(r.mistakes, mistake{KindCollection, fmt.Errorf("table %s: %w", t.Name, err)})
	}
	return r, err
}

// isFault reports whether an error comes from PostgreSQL or the connection. Otherwise it says why a table
// cannot be watched.
func isFault(ctx context.Context, tx pgx.Tx, err error) bool {
	var pgErr *pgconn.PgError
	return ctx.Err() != nil || tx.Conn().IsClosed() || errors.As(err, &pgErr)
}

// mistakesOf joins the mistakes of all tables. If a table was only locked by others, it returns a BusyError: a
// later attempt may find no mistake.
func mistakesOf(tables []resolved) error {
	var errs []error
	var busy error
	for _, r := range tables {
		for _, m := range r.mistakes {
			if isBusy(m.err) {
				busy = &BusyError{err: m.err}
				continue
			}
			errs = append(errs, m.err)
		}
	}
	if len(errs) == 0 {
		return busy
	}
	return errors.Join(errs...)
}

// objects generates the objects of one table.
func (r resolved) objects() objects {
	if r.generated == nil {
		return generate(r.table, r.rel)
	}
	if !r.generated.done {
		r.generated.objects, r.generated.done = generate(r.table, r.rel), true
	}
	all := r.generated.objects
	return objects{functions: slices.Clone(all.functions), triggers: slices.Clone(all.triggers)}
}

// changes returns what must change for the table to be as the spec says. It leaves out what the spec does not have.
func (r resolved) changes(found installed) []change {
	if r.isUnknown() {
		return nil
	}
	own, partitions := r.split()
	functions := changedFunctions(own, found)
	if fields := r.unlogged(found); len(fields) > 0 {
		at := slices.IndexFunc(functions, func(c change) bool { return c.created == functionName(r.table.Name, opRow) })
		functions[at].kind = KindCollection
		functions[at].drift = fmt.Sprintf("clients cannot filter collection %s by %s yet", r.table.Collection, columnList(fields))
	}
	others := changedFunctions(partitions, found)
	if columns := r.newColumns(found); len(columns) > 0 {
		markNewColumns(functions, r.table.Name, columns)
		markNewColumns(others, r.table.Name, columns)
	}
	changes := slices.Concat(functions, missingTriggers(own, found))
	for _, c := range slices.Concat(others, missingTriggers(partitions, found)) {
		if c.kind == KindMissing {
			c.kind = KindPartition
		}
		changes = append(changes, c)
	}
	return append(changes, enabledCopies(own, found)...)
}

// split generates the objects of the table and its children, and those of its partitions.
func (r resolved) split() (own, partitions objects) {
	all := r.objects()
	functions := make(map[string]bool) // of partitions
	for _, t := range all.triggers {
		if slices.ContainsFunc(r.rel.partitions, func(p partition) bool { return p.name == t.table }) {
			functions[t.function] = true
			partitions.triggers = append(partitions.triggers, t)
		} else {
			own.triggers = append(own.triggers, t)
		}
	}
	for _, f := range all.functions {
		if functions[f.name] {
			partitions.functions = append(partitions.functions, f)
		} else {
			own.functions = append(own.functions, f)
		}
	}
	return own, partitions
}

// objectsOf generates the objects of the tables that can be watched, in the order of the spec.
func objectsOf(tables []resolved) objects {
	var objs objects
	for _, r := range tables {
		if len(r.mistakes) > 0 {
			continue
		}
		one := r.objects()
		objs.functions = append(objs.functions, one.functions...)
		objs.triggers = append(objs.triggers, one.triggers...)
	}
	return objs
}

// mayHave returns the names of all functions that the table may have. It needs no key, so it also answers for a
// table that cannot be watched.
func (r resolved) mayHave() []string {
	var names []string
	for _, member := range r.members() {
		for _, op := range []string{opRow, opInsert, opUpdate, opDelete, opTruncate} {
			names = append(names, functionName(member, op))
		}
	}
	return names
}

// members returns the table, its partitions and its children.
func (r resolved) members() []Name {
	names := []Name{r.table.Name}
	for _, p := range r.rel.partitions {
		names = append(names, p.name)
	}
	return append(names, r.rel.children...)
}

// isForeign reports that another spec watches the table.
func (r resolved) isForeign() bool { return len(r.mistakes) > 0 && r.mistakes[0].kind == KindOwner }

// isUnknown reports that the table cannot be watched, so that nothing can be generated for it, or that it must not
// be, because another spec watches it.
func (r resolved) isUnknown() bool {
	return len(r.mistakes) > 0 && (r.mistakes[0].kind == KindTable || r.mistakes[0].kind == KindOwner)
}

// expected holds the objects that the tables of a spec should have.
type expected struct {
	objects
	// watched holds the watched table of each function that the tables should or may have.
	watched map[string]Name
	// unknown holds the tables that cannot be watched and their partitions: what they should have is unknown.
	unknown map[Name]bool
}

func expectedOf(tables []resolved) expected {
	want := expected{watched: make(map[string]Name), unknown: make(map[Name]bool)}
	for _, r := range tables {
		if r.isUnknown() {
			want.addUnknown(r)
			continue
		}
		one := r.objects()
		want.functions = append(want.functions, one.functions...)
		want.triggers = append(want.triggers, one.triggers...)
		for _, f := range one.functions {
			want.watched[f.name] = r.table.Name
		}
	}
	return want
}

func (x expected) addUnknown(r resolved) {
	for _, name := range r.members() {
		x.unknown[name] = true
	}
	for _, name := range r.mayHave() {
		x.watched[name] = r.table.Name
	}
}
